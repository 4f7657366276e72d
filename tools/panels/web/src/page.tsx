// Draws one dashboard, named in the address (#uid), with Grafana's own components, from what a run has seen.
import '@fontsource/inter/400.css'
import '@fontsource/inter/500.css'
import {
  createTheme,
  type DataFrame,
  dateTime,
  FieldType,
  type GrafanaTheme2,
  ThemeContext,
  type TimeRange,
} from '@grafana/data'
import {
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  EventsCanvas,
  GlobalStyles,
  PanelChrome,
  TimeSeries,
  type UPlotConfigBuilder,
} from '@grafana/ui'
import { useLayoutEffect, useRef } from 'react'
import { createRoot } from 'react-dom/client'
import type uPlot from 'uplot'
import { exemplarsOf, framesOf } from './frames'
import type { Board, Panel, Seen } from './seen'

const CELL = 38 // of Grafana's grid: 30 px and a margin of 8
const MARGIN = 8
const theme = createTheme({ colors: { mode: 'dark' } })
const DIAMOND = { width: 6, height: 6, background: theme.colors.primary.text, transform: 'rotate(45deg)' }

function Exemplars({ config, frame }: { config: UPlotConfigBuilder; frame: DataFrame }) {
  const plot = useRef<uPlot>(undefined)
  const scale = config.scales.map((one) => one.props.scaleKey).find((key) => key !== 'x')!
  useLayoutEffect(() => config.addHook('init', (made) => (plot.current = made)), [config])
  return (
    <EventsCanvas
      id="exemplars"
      config={config}
      events={[frame]}
      renderEventMarker={() => <div style={DIAMOND} />}
      mapEventToXYCoords={(events, row) => plot.current && placeOf(plot.current, scale, events, row)}
    />
  )
}

/** Where an exemplar is on the plot; above its upper edge: at the edge. */
function placeOf(plot: uPlot, scale: string, events: DataFrame, row: number): { x: number; y: number } {
  const [time, value] = events.fields.map((field) => field.values[row] as number)
  const top = plot.scales[scale].max ?? value
  return { x: plot.valToPos(time, 'x'), y: plot.valToPos(Math.min(value, top), scale) }
}

function Graph({ seen, panel, width, height }: Place) {
  const frames = framesOf(seen, panel, theme)
  const exemplars = exemplarsOf(seen, panel)
  if (!frames.length) return <Nothing />
  return (
    <TimeSeries
      frames={frames}
      width={width}
      height={height}
      timeRange={rangeOf(seen)}
      timeZone="utc"
      legend={panel.options.legend!}
    >
      {(config) => (exemplars.length ? <Exemplars config={config} frame={exemplars} /> : null)}
    </TimeSeries>
  )
}

function Stat({ seen, panel, width, height }: Place) {
  const [frame] = framesOf(seen, panel, theme)
  if (!frame) return <Nothing />
  const [time, field] = frame.fields
  const last = [...field.values].reverse().find((value) => value !== null)
  return (
    <BigValue
      theme={theme}
      width={width}
      height={height}
      value={field.display!(last)}
      colorMode={BigValueColorMode.Value}
      graphMode={BigValueGraphMode.Area}
      sparkline={{ x: time, y: { ...field, type: FieldType.number } }}
    />
  )
}

function Nothing() {
  return <div style={{ display: 'grid', placeItems: 'center', height: '100%' }}>No data</div>
}

interface Place {
  seen: Seen
  panel: Panel
  width: number
  height: number
}

function Dashboard({ seen, board, width }: { seen: Seen; board: Board; width: number }) {
  const column = (width + MARGIN) / 24
  return (
    <div style={{ position: 'relative' }}>
      {board.panels.map((panel) => {
        const { x, y, w, h } = panel.gridPos
        const at = { position: 'absolute', left: x * column, top: y * CELL } as const
        const [wide, high] = [w * column - MARGIN, h * CELL - MARGIN]
        if (panel.type === 'row') {
          const style = { ...at, lineHeight: '30px', fontSize: 16, fontWeight: 500 } as const
          return (
            <div key={`row ${panel.title}`} style={style}>
              ⌄ {panel.title}
            </div>
          )
        }
        const Draw = panel.type === 'stat' ? Stat : Graph
        return (
          <div key={panel.id} style={{ ...at, width: wide, height: high }}>
            <PanelChrome title={panel.title} width={wide} height={high}>
              {(width, height) => <Draw seen={seen} panel={panel} width={width} height={height} />}
            </PanelChrome>
          </div>
        )
      })}
    </div>
  )
}

function rangeOf(seen: Seen): TimeRange {
  const [from, to] = [dateTime(seen.span.start * 1000), dateTime(seen.span.end * 1000)]
  return { from, to, raw: { from, to } }
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 16)
}

function Page({ seen, board }: { seen: Seen; board: Board }) {
  const happened = seen.incidents.map((one) => `${new Date(one.start * 1000).toISOString().slice(11, 19)} ${one.name}`)
  return (
    <ThemeContext.Provider value={theme as GrafanaTheme2}>
      <GlobalStyles />
      <div style={{ padding: 16, boxSizing: 'border-box', width: window.innerWidth, background: theme.colors.background.canvas }}>
        <h2 style={{ margin: 0 }}>{board.title}</h2>
        <p style={{ height: 40, margin: '4px 0 8px', color: theme.colors.text.secondary, fontSize: 12 }}>
          {clock(seen.span.start)} to {clock(seen.span.end)} UTC: {happened.join(' · ')}
        </p>
        <Dashboard seen={seen} board={board} width={window.innerWidth - 32} />
      </div>
    </ThemeContext.Provider>
  )
}

const wanted = location.hash.slice(1)
const board = window.SEEN.boards.find((one) => one.uid === wanted)
if (!board) throw new Error(`no dashboard is called ${wanted}`)
document.body.style.background = theme.colors.background.canvas
createRoot(document.getElementById('page')!).render(<Page seen={window.SEEN} board={board} />)
