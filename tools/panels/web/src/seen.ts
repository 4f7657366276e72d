// What a run has seen, as `python -m panels` keeps it, and the parts of Grafana's dashboard JSON that are used here.
import type { FieldConfig } from '@grafana/data'
import type { VizLegendOptions } from '@grafana/schema'

export interface Series {
  metric: Record<string, string>
  values: [number, string][]
}

export interface Exemplars {
  exemplars: { labels: Record<string, string>; value: string; timestamp: number }[]
}

export interface Target {
  refId: string
  expr: string
  legendFormat: string
}

export interface Panel {
  id: number
  type: 'row' | 'stat' | 'timeseries'
  title: string
  description?: string
  gridPos: { x: number; y: number; w: number; h: number }
  fieldConfig: { defaults: FieldConfig }
  options: { legend?: VizLegendOptions }
  targets?: Target[]
}

export interface Board {
  uid: string
  title: string
  panels: Panel[]
}

export interface Seen {
  boards: Board[]
  span: { start: number; end: number; step: number }
  incidents: { name: string; start: number; end: number }[]
  results: Record<string, Series[]>
  exemplars: Record<string, Exemplars[]>
}

declare global {
  interface Window {
    SEEN: Seen
  }
}
