// What a dashboard is to Grafana 9. It has no types for the options of single panels, but for what they are made of; its
// types of variables and annotations are not those that it reads, so these are the newest ones.
import type {
  AxisConfig, BarGaugeDisplayMode, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode, BigValueTextMode, Dashboard,
  GraphFieldConfig, HideableFieldConfig, OptionsWithLegend, OptionsWithTooltip, Panel, SingleStatBaseOptions,
  TableFieldOptions, TableSortByFieldState, TimelineValueAlignment, VisibilityMode,
} from "grafana-9";
import type { Board as Newest } from "./newest";
import type { Nothing, Of, Plain } from "./plain";

type Drawn = OptionsWithLegend & OptionsWithTooltip;
type Stat = SingleStatBaseOptions & {
  graphMode: BigValueGraphMode; colorMode: BigValueColorMode; justifyMode: BigValueJustifyMode; textMode: BigValueTextMode;
};
type Gauge = SingleStatBaseOptions & { showThresholdLabels: boolean; showThresholdMarkers: boolean };
type BarGauge = SingleStatBaseOptions & {
  displayMode: BarGaugeDisplayMode; showUnfilled: boolean; minVizWidth: number; minVizHeight: number;
};
type StateTimeline = Drawn & {
  mergeValues: boolean; showValue: VisibilityMode; rowHeight: number; alignValue: TimelineValueAlignment;
};
type StateField = HideableFieldConfig & AxisConfig & { lineWidth: number; fillOpacity: number };
type Table = { frameIndex: number; showHeader: boolean; sortBy: TableSortByFieldState[] };

export interface Panels {
  stat: Of<Panel, Stat, Nothing>;
  gauge: Of<Panel, Gauge, Nothing>;
  bargauge: Of<Panel, BarGauge, Nothing>;
  table: Of<Panel, Table, TableFieldOptions>;
  timeseries: Of<Panel, Drawn, GraphFieldConfig>;
  "state-timeline": Of<Panel, StateTimeline, StateField>;
}

type Borrowed = "annotations" | "templating";
export type Board = Plain<Partial<Omit<Dashboard, "panels" | Borrowed>>> & Pick<Newest, Borrowed>;
