/** The report's style sheet: one column of text, wide figures, light and dark, printable. */
export const style = `
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #6e6e73; --line: #d9d9de; --paper: #ffffff; --panel: #f6f6f8;
  --joint: #c2410c; --uniform: #2563eb; --reference: #6b7280; --independent: #0f766e; --gibbs: #7e22ce; --top-k: #a16207; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececee; --soft: #9b9ba3; --line: #34343a; --paper: #131316;
  --panel: #1c1c20; --joint: #fb923c; --uniform: #7aa7ff; --reference: #9ca3af;
  --independent: #5eead4; --gibbs: #c084fc; --top-k: #facc15; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 ui-sans-serif, system-ui, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 3.5rem 1.25rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -0.02em; margin: 0 0 .35rem; font-weight: 650; }
h2 { font-size: 1.2rem; letter-spacing: -0.01em; margin: 3.25rem 0 .5rem; font-weight: 650; }
h3 { font-size: .95rem; margin: 1.6rem 0 .5rem; font-weight: 600; }
p { max-width: 68ch; margin: .4rem 0 1rem; }
.soft, .note, figcaption, .lead { color: var(--soft); }
.note { font-size: .85rem; }
.lead { font-size: 1.05rem; margin-bottom: 2rem; }
.numbers { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 1px; background: var(--line);
  border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.numbers div { background: var(--paper); padding: .9rem 1.1rem; }
.numbers b { display: block; white-space: nowrap; font-size: 1.45rem; font-weight: 600; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.numbers span { color: var(--soft); font-size: .85rem; }
.joint { color: var(--joint); } .uniform { color: var(--uniform); } .reference { color: var(--reference); }
.independent { color: var(--independent); } .gibbs { color: var(--gibbs); } .top-k { color: var(--top-k); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; font-size: .93rem; }
th, td { text-align: right; white-space: nowrap; padding: .34rem .9rem; border-bottom: 1px solid var(--line); font-weight: 400; }
th:first-child, td:first-child { white-space: normal; text-align: left; padding-left: 0; color: var(--soft); }
thead th { font-weight: 600; }
.scroll { overflow-x: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 1.8rem 1.6rem; margin: 1rem 0; }
figure { margin: 0; min-width: 0; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
figcaption { font-size: .87rem; line-height: 1.4; margin-top: .25rem; }
h4 { font-size: .88rem; font-weight: 600; margin: 1rem 0 .5rem; } h4 .soft { font-weight: 400; margin-left: .35rem; }
.sheet { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: .8rem .6rem; }
.tile img { display: block; width: 100%; aspect-ratio: 1; border-radius: 6px; border: 1px solid var(--line); background: #fff;
  padding: 6%; }
.tile figcaption { font-size: .7rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile b { color: var(--ink); font-weight: 500; overflow: hidden; overflow-wrap: anywhere; hyphens: auto; display: -webkit-box;
  -webkit-line-clamp: 2; -webkit-box-orient: vertical; }
.hits { display: grid; grid-template-columns: 9rem 1fr; gap: .4rem 1rem; align-items: center; margin-bottom: .6rem; }
.hits .sheet { grid-template-columns: repeat(8, minmax(0, 82px)); }
pre { background: var(--panel); padding: .9rem 1.1rem; border-radius: 8px; overflow-x: auto; font-size: .86rem; }
ul { padding-left: 1.1rem; font-size: .86rem; color: var(--soft); }
@media (max-width: 900px) { .numbers { grid-template-columns: repeat(3, minmax(0, 1fr)); } .sheet { grid-template-columns: repeat(8, minmax(0, 1fr)); } }
@media (max-width: 640px) { .sheet { grid-template-columns: repeat(4, minmax(0, 1fr)); } .hits { grid-template-columns: 1fr; } .hits .sheet { grid-template-columns: repeat(4, 1fr); }
  table { font-size: .84rem; } th, td { padding-inline: .4rem; } .numbers { grid-template-columns: repeat(2, minmax(0, 1fr)); } h1 { font-size: 1.55rem; } main { padding-top: 2rem; } }
@media print { main { max-width: none; padding: 0; } h2 { break-after: avoid; } figure, .numbers { break-inside: avoid; } }
`;
