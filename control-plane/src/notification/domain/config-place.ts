/** Places of a configuration file, and what is wrong there. */
export type ConfigPath = readonly (string | number)[];

/** Notes a fault at a place of the file. */
export type NoteFault = (path: ConfigPath, message: string) => void;
