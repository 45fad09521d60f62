/** The name by which an asynchronous primary waits for its own agent. No node may have it: it holds an underscore. */
export const GATE_NAME = "mainstay_gate";
