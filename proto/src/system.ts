/** The one thing that is ambient here: wall time in ms, from which a call's deadline is counted. */
export const wallTime = (): number => Date.now();
