// From Prometheus' answers to the data frames that Grafana's components draw.
import { type DataFrame, type Field, FieldType, type GrafanaTheme2, getDisplayProcessor, toDataFrame } from '@grafana/data'
import type { Exemplars, Panel, Seen, Series, Target } from './seen'

/** The series' name, as Grafana makes it from a legend format; without one it is the labels, or the query itself. */
export function legendOf(target: Target, labels: Record<string, string>): string {
  if (target.legendFormat) return target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '')
  const { __name__: metric = '', ...others } = labels
  const shown = Object.entries(others).map(([name, value]) => `${name}="${value}"`)
  return metric || shown.length ? `${metric}{${shown.join(', ')}}` : target.expr
}

/** One frame for each series of a panel. */
export function framesOf(seen: Seen, panel: Panel, theme: GrafanaTheme2): DataFrame[] {
  const all = (panel.targets ?? []).flatMap((target) => (seen.results[target.expr] ?? []).map((one) => ({ target, one })))
  return all.map(({ target, one }, index) => frameOf(target, one, panel, seen.span, theme, index))
}

/** `index` gives the series its colour. */
function frameOf(
  target: Target,
  series: Series,
  panel: Panel,
  span: Seen['span'],
  theme: GrafanaTheme2,
  index: number,
): DataFrame {
  const values = new Map(series.values.map(([at, value]) => [Math.round(at * 1000), Number(value)]))
  const times: number[] = []
  for (let at = Math.round(span.start * 1000); at <= span.end * 1000; at += span.step * 1000) times.push(at)
  const name = legendOf(target, series.metric)
  const { custom, ...config } = panel.fieldConfig.defaults
  const frame = toDataFrame({
    name,
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: times, config: {} },
      {
        name: 'Value',
        type: FieldType.number,
        values: times.map((at) => known(values.get(at) ?? values.get(at + 1) ?? values.get(at - 1))),
        labels: series.metric,
        config: {
          ...config,
          displayNameFromDS: name,
          color: config.color ?? { mode: panel.type === 'stat' ? 'thresholds' : 'palette-classic' },
          custom: { lineWidth: 1, fillOpacity: 0, showPoints: 'auto', pointSize: 5, ...custom },
        },
      },
    ],
  })
  const numbers = frame.fields[1].values.filter((value) => value !== null)
  const [min, max] = [Math.min(...numbers), Math.max(...numbers)]
  frame.fields[1].state = { seriesIndex: index, range: { min, max, delta: max - min } }
  for (const field of frame.fields) field.display = getDisplayProcessor({ field: field as Field, theme })
  return frame
}

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value
}

/** All exemplars of a panel in one frame: when, and how much. */
export function exemplarsOf(seen: Seen, panel: Panel): DataFrame {
  const found = (panel.targets ?? []).flatMap((target) =>
    (seen.exemplars[target.expr] ?? []).flatMap((one: Exemplars) => one.exemplars),
  )
  return toDataFrame({
    fields: [
      { name: 'Time', type: FieldType.time, values: found.map((one) => one.timestamp * 1000) },
      { name: 'Value', type: FieldType.number, values: found.map((one) => Number(one.value)) },
    ],
  })
}
