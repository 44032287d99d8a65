// What a dashboard is to the newest Grafana.
import type { AnnotationQuery, Dashboard, GraphFieldConfig, Panel, TableFieldOptions } from "grafana-newest";
import type { Options as BarGauge } from "grafana-newest/dist/types/raw/composable/bargauge/panelcfg/x/types.gen";
import type { Options as Gauge } from "grafana-newest/dist/types/raw/composable/gauge/panelcfg/x/types.gen";
import type { Options as Stat } from "grafana-newest/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import type * as states from "grafana-newest/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen";
import type { Options as Table } from "grafana-newest/dist/types/raw/composable/table/panelcfg/x/types.gen";
import type { Options as TimeSeries } from "grafana-newest/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";
import type { Nothing, Of, Plain } from "./plain";

export interface Panels {
  stat: Of<Panel, Stat, Nothing>;
  gauge: Of<Panel, Gauge, Nothing>;
  bargauge: Of<Panel, BarGauge, Nothing>;
  table: Of<Panel, Table, TableFieldOptions>;
  timeseries: Of<Panel, TimeSeries, GraphFieldConfig>;
  "state-timeline": Of<Panel, states.Options, states.FieldConfig>;
}

// What an annotation asks for is the data source's own.
type Annotation = Plain<Omit<AnnotationQuery, "target">> & { target: Record<string, unknown> };
export type Board = Plain<Omit<Dashboard, "panels" | "annotations">> & { annotations: { list: Annotation[] } };
