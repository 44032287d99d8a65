// A type as it stands in JSON: an enum is one of its words or numbers. The first threshold is minus infinity, for which
// JSON has no number: Grafana writes null.
export type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends Array<infer Each>
      ? Array<Plain<Each>>
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> | (Key extends "value" ? null : never) }
        : T;

// A panel with the options and the configuration of fields that its type has; Grafana fills in what is left out.
export type Of<Panel, Options, Custom> = Plain<
  Partial<Omit<Panel, "options" | "fieldConfig">> & {
    id: number;
    title: string;
    description: string;
    targets: unknown[];
    options: Partial<Options>;
    fieldConfig: { defaults: Omit<Defaults<Panel>, "custom"> & { custom?: Partial<Custom> }; overrides: Overrides<Panel> };
  }
>;
type Fields<Panel> = Panel extends { fieldConfig?: infer Config } ? NonNullable<Config> : never;
type Defaults<Panel> = Fields<Panel> extends { defaults: infer All } ? All : never;
type Overrides<Panel> = Fields<Panel> extends { overrides: infer All } ? All : never;
export type Nothing = Record<string, never>;
