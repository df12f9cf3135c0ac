// @ts-check
/** How the editor looks; its colours follow the page's `--kinema-*` where they are set. */

export const STYLE = `
:host {
  --ink: var(--kinema-ink, light-dark(#1b1f24, #eceff3));
  --faint: var(--kinema-faint, light-dark(#565f6b, #a5afbb));
  --paper: var(--kinema-paper, light-dark(#ffffff, #16191d));
  --raised: var(--kinema-raised, light-dark(#f3f5f7, #1f2329));
  --line: var(--kinema-line, light-dark(#cfd6de, #39404a));
  --accent: var(--kinema-accent, light-dark(#00698c, #58c4f0));
  --on-accent: var(--kinema-on-accent, light-dark(#ffffff, #06222e));
  color-scheme: light dark;
  display: grid;
  grid-template: auto minmax(0, 1fr) auto / auto minmax(0, 1fr) minmax(15rem, 19rem);
  grid-template-areas: "top top top" "tools stage panel" "time time time";
  height: 100%;
  min-height: 20rem;
  color: var(--ink);
  background: var(--paper);
  font: 0.875rem/1.4 system-ui, sans-serif;
  position: relative;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button, input, select { font: inherit; color: inherit; }
button {
  background: var(--raised); border: 1px solid var(--line); border-radius: 0.4rem;
  padding: 0.35rem 0.6rem; cursor: pointer; min-height: 2.1rem;
}
button:hover { border-color: var(--accent); }
button:disabled { opacity: 0.45; cursor: default; }
button[aria-pressed="true"] { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.top { grid-area: top; display: flex; flex-wrap: wrap; gap: 0.4rem; align-items: center; padding: 0.4rem; border-bottom: 1px solid var(--line); }
.top .gap { flex: 1; }
.said { color: var(--faint); min-width: 6rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tools { grid-area: tools; display: flex; flex-direction: column; gap: 0.3rem; padding: 0.4rem; border-right: 1px solid var(--line); overflow: auto; }
.tools button { width: 2.6rem; height: 2.6rem; padding: 0.3rem; display: grid; place-items: center; }
.tools svg { width: 1.4rem; height: 1.4rem; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.stage { grid-area: stage; position: relative; overflow: hidden; background: light-dark(#dde2e7, #0d0f12); }
.stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; display: block; }
.stage.dropping { outline: 3px dashed var(--accent); outline-offset: -8px; }
.welcome { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 0.8rem; padding: 1rem; text-align: center; }
.welcome h1 { font-size: 1.25rem; margin: 0; }
.welcome p { margin: 0; max-width: 28rem; color: var(--faint); }
.welcome .buttons { justify-content: center; }
.panel { grid-area: panel; border-left: 1px solid var(--line); overflow: auto; padding: 0.6rem; }
.panel h2 { font-size: 0.8rem; margin: 0.8rem 0 0.3rem; text-transform: uppercase; letter-spacing: 0.04em; color: var(--faint); }
.panel ul { list-style: none; margin: 0; padding: 0; }
.panel li { display: flex; gap: 0.25rem; align-items: center; padding: 0.1rem 0; }
.panel li.chosen { background: var(--raised); }
.panel li i { width: 0.8rem; height: 0.8rem; border-radius: 50%; flex: none; border: 1px solid rgb(0 0 0 / 0.4); }
.panel li .name { flex: 1; text-align: left; background: none; border-color: transparent; overflow: hidden; text-overflow: ellipsis; }
.panel li .name[aria-pressed="true"] { color: var(--ink); font-weight: 600; background: none; }
.small { padding: 0.1rem 0.45rem; min-height: 1.7rem; }
.none, .tells { color: var(--faint); margin: 0.2rem 0; }
.row { display: grid; grid-template-columns: 6.5rem 1fr auto; gap: 0.5rem; align-items: center; margin: 0.25rem 0; }
.row.check { grid-template-columns: auto 1fr; }
.row input[type="range"], .row select, .row input[type="number"], .row input[type="text"] { width: 100%; min-width: 0; }
.row input[type="number"], .row input[type="text"], .row select { background: var(--paper); border: 1px solid var(--line); border-radius: 0.3rem; padding: 0.25rem 0.4rem; }
.row output { min-width: 3.6rem; text-align: right; font-variant-numeric: tabular-nums; color: var(--faint); }
input { accent-color: var(--accent); }
fieldset { border: 1px solid var(--line); border-radius: 0.4rem; margin: 0.5rem 0; padding: 0.2rem 0.5rem 0.5rem; }
.buttons { display: flex; flex-wrap: wrap; gap: 0.3rem; margin: 0.4rem 0; }
summary { cursor: pointer; font-weight: 600; margin-top: 0.8rem; }
.hints { border-left: 3px solid #e69f00; padding-left: 0.6rem; margin-top: 0.8rem; }
.hints p { margin: 0.3rem 0; }
.time { grid-area: time; border-top: 1px solid var(--line); padding: 0.4rem 0.6rem; height: 8.5rem; overflow: auto; }
.transport { display: grid; grid-template-columns: 9rem 1fr 4rem; align-items: center; gap: 0.6rem; position: sticky; top: -0.4rem; background: var(--paper); z-index: 1; }
.transport .play { width: 3rem; }
.scrub { width: 100%; margin: 0; }
.clock { text-align: right; font-variant-numeric: tabular-nums; color: var(--faint); }
.track { display: grid; grid-template-columns: 9rem 1fr 4rem; gap: 0.6rem; align-items: center; }
.track .name { border-color: transparent; background: none; text-align: left; padding: 0.1rem 0.3rem; min-height: 1.6rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.track.chosen .name { font-weight: 600; }
.lane { position: relative; height: 1.5rem; border-radius: 0.3rem; background: linear-gradient(var(--accent), var(--accent)) calc(var(--head, 0) * 100%) 0 / 1.5px 100% no-repeat, var(--raised); }
.bar { position: absolute; top: 0.5rem; height: 0.5rem; background: var(--colour); border-radius: 0.25rem; opacity: 0.7; }
.knot { position: absolute; top: 0.25rem; width: 1rem; height: 1rem; min-height: 0; padding: 0; margin-left: -0.5rem; transform: rotate(45deg); border-radius: 0.15rem; background: var(--colour); border: 1.5px solid light-dark(#333, #eee); cursor: ew-resize; touch-action: none; }
.knot::after { content: ""; position: absolute; inset: -0.35rem; }
dialog { border: 1px solid var(--line); border-radius: 0.6rem; background: var(--paper); color: var(--ink); max-width: min(46rem, 94vw); }
dialog canvas { max-width: 100%; max-height: 60vh; touch-action: none; display: block; margin: 0.6rem auto; }
.keys th { text-align: left; padding: 0.1rem 1rem 0.1rem 0; white-space: nowrap; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 46rem) {
  :host {
    grid-template: auto auto minmax(45vh, 1fr) auto auto / minmax(0, 1fr);
    grid-template-areas: "top" "tools" "stage" "time" "panel";
    overflow-y: auto;
  }
  .tools { flex-direction: row; min-height: 3.6rem; border-right: 0; border-bottom: 1px solid var(--line); }
  .tools button { flex: none; }
  .panel { border-left: 0; border-top: 1px solid var(--line); min-height: 18rem; }
  .time { min-height: 8.5rem; }
  .transport, .track { grid-template-columns: 5rem 1fr 3.4rem; }
  .top .wide { display: none; }
  button { min-height: 2.6rem; }
}
@media (prefers-reduced-motion: no-preference) { button { transition: border-color 0.12s; } }
`;
