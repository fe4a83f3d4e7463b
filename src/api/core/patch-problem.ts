/** What a patch may not do; becomes the refusal of the request. */
export class PatchProblem extends Error {}
