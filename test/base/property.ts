/** fast-check with a fixed seed, so that a run is the same everywhere; PROPERTY_SEED tries another. */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['PROPERTY_SEED'] ?? 1), numRuns: 500 });

export { fc };
