/** What a run met, so that it can be seen that it tested something. Summed over seeds. */
export interface Counters {
  simulatedMs: number;
  clientOperations: number;
  unknownOutcomes: number;
  faults: number;
  leaderChanges: number;
  truncatedConflicts: number;
  installedSnapshots: number;
  /** Gone on with after a break. */
  resumedSnapshots: number;
  tornTails: number;
  unsyncedLosses: number;
  readsDuringElections: number;
  /** Of a member's log. */
  logCompactions: number;
  /** Of the history of keys, asked for by a client. */
  compactions: number;
  watchSessions: number;
  watchProgress: number;
  messages: number;
  droppedMessages: number;
  doubledMessages: number;
  powerCuts: number;
  processCrashes: number;
  oneWayCuts: number;
  pauses: number;
  slowSyncs: number;
  /** Of a log; each process stopped, and acknowledged nothing afterwards. */
  failedSyncs: number;
  /** Writes for which a disk had no room. */
  fullDiskRefusals: number;
  misdirectedWrites: number;
  bitFlips: number;
  /** Members that would not start on damaged bytes, and said where they are. */
  damageRefused: number;
  /** Damaged: down until the operator replaces it. */
  lostMembers: number;
  wallJumps: number;
  rateChanges: number;
  /** Without having been learners. */
  votersAdded: number;
  learnersAdded: number;
  learnersPromoted: number;
  membersRemoved: number;
  leadersRemoved: number;
  /** Damaged or destroyed, and removed: others were added in their places. */
  lostMembersReplaced: number;
  /** Told by the log or by a peer. */
  removedMembersEnded: number;
  /** One member for another in one step, through both majorities. */
  jointChanges: number;
  /** Of members: they would have endangered the quorum, or had come too early. */
  changesRefused: number;
  /** By the operator, while it changes the members. */
  leadersMoved: number;
  destroyedMembers: number;
  /** Longer than an election takes. */
  freezes: number;
  spaceAlarms: number;
  /** Writes for which the quota had no room. */
  spaceRefusals: number;
  /** Deletes and compactions that went on meanwhile. */
  deletesWithoutSpace: number;
  spaceDisarms: number;
  compactionStorms: number;
  /** Followers that were away until the log had gone on without them. */
  lags: number;
}

/** What every set of seeds must have met. */
export const MUST_MEET = [
  'leaderChanges',
  'truncatedConflicts',
  'installedSnapshots',
  'resumedSnapshots',
  'tornTails',
  'unsyncedLosses',
  'readsDuringElections',
  'logCompactions',
  'compactions',
  'watchProgress',
  'oneWayCuts',
  'pauses',
  'slowSyncs',
  'failedSyncs',
  'fullDiskRefusals',
  'misdirectedWrites',
  'bitFlips',
  'damageRefused',
  'lostMembers',
  'wallJumps',
  'rateChanges',
  'votersAdded',
  'learnersAdded',
  'learnersPromoted',
  'membersRemoved',
  'leadersRemoved',
  'lostMembersReplaced',
  'removedMembersEnded',
  'jointChanges',
  'changesRefused',
  'leadersMoved',
  'destroyedMembers',
  'freezes',
  'spaceAlarms',
  'spaceRefusals',
  'deletesWithoutSpace',
  'spaceDisarms',
  'compactionStorms',
  'lags',
] as const satisfies ReadonlyArray<keyof Counters>;

export function newCounters(): Counters {
  return {
    simulatedMs: 0,
    clientOperations: 0,
    unknownOutcomes: 0,
    faults: 0,
    leaderChanges: 0,
    truncatedConflicts: 0,
    installedSnapshots: 0,
    resumedSnapshots: 0,
    tornTails: 0,
    unsyncedLosses: 0,
    readsDuringElections: 0,
    logCompactions: 0,
    compactions: 0,
    watchSessions: 0,
    watchProgress: 0,
    messages: 0,
    droppedMessages: 0,
    doubledMessages: 0,
    powerCuts: 0,
    processCrashes: 0,
    oneWayCuts: 0,
    pauses: 0,
    slowSyncs: 0,
    failedSyncs: 0,
    fullDiskRefusals: 0,
    misdirectedWrites: 0,
    bitFlips: 0,
    damageRefused: 0,
    lostMembers: 0,
    wallJumps: 0,
    rateChanges: 0,
    votersAdded: 0,
    learnersAdded: 0,
    learnersPromoted: 0,
    membersRemoved: 0,
    leadersRemoved: 0,
    lostMembersReplaced: 0,
    removedMembersEnded: 0,
    jointChanges: 0,
    changesRefused: 0,
    leadersMoved: 0,
    destroyedMembers: 0,
    freezes: 0,
    spaceAlarms: 0,
    spaceRefusals: 0,
    deletesWithoutSpace: 0,
    spaceDisarms: 0,
    compactionStorms: 0,
    lags: 0,
  };
}

export function addCounters(sum: Counters, more: Counters): void {
  for (const name of Object.keys(sum) as Array<keyof Counters>) sum[name] += more[name]; // its keys are its own
}
