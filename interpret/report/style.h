// interpret/report/style.h: the style sheet of a report page.
//
// One column of at most 58 rem, system fonts, one accent colour, hairlines instead of boxes.
// Colours are the variables at the top; the dark theme changes only them, and only on screens.
#pragma once

#include <string_view>

namespace limpid::interpret {

inline constexpr std::string_view kPageStyle = R"css(
:root {
  --paper: #fff; --ink: #1d2126; --quiet: #5a636e; --hairline: #e2e6ea; --panel: #f6f7f9;
  --accent: #0067b0;
  color-scheme: light dark;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e4e7eb; --quiet: #a0a9b4; --hairline: #2c323a; --panel: #1c2026;
    --accent: #74b6f0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0; padding: 3.5rem 1.5rem 5rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 58rem; margin: 0 auto; }
h1, h2 { line-height: 1.25; letter-spacing: -0.012em; text-wrap: balance; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 2.1rem; font-weight: 650; }
h2 { margin: 0 0 0.75rem; font-size: 1.4rem; font-weight: 650; }
p { margin: 0 0 1rem; max-width: 42rem; overflow-wrap: break-word; }
.subtitle { margin: 0.5rem 0 0; color: var(--quiet); font-size: 1.1rem; }
header { margin-bottom: 2.25rem; }
section { margin-top: 3rem; padding-top: 2rem; border-top: 1px solid var(--hairline); }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; text-underline-offset: 0.2em; }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }

nav { margin: 2.25rem 0 0; }
nav h2 { margin: 0 0 0.4rem; font-size: 0.85rem; font-weight: 600; letter-spacing: 0;
  color: var(--quiet); }
nav ol { margin: 0; padding: 0; list-style: none; columns: 17rem 3; column-gap: 2rem; }
nav li { padding: 0.12rem 0; break-inside: avoid; }
nav .number { display: inline-block; min-width: 1.6em; color: var(--quiet);
  font-variant-numeric: tabular-nums; }

figure { margin: 1.75rem 0 2rem; }
figcaption { max-width: 42rem; margin-top: 0.75rem; color: var(--quiet); font-size: 0.9rem;
  line-height: 1.5; }
.scroll { overflow-x: auto; }
.plot svg { display: block; height: auto; }
.plot .fits { max-width: 100%; }
img { display: block; max-width: 100%; height: auto; }
.pixels { image-rendering: pixelated; }

dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.75rem;
  margin: 1.75rem 0; }
.tile { display: flex; flex-direction: column; padding: 1rem 1.15rem; border-radius: 0.5rem;
  background: var(--panel); }
dt { color: var(--quiet); font-size: 0.9rem; line-height: 1.4; }
dd { margin: 0; }
dd.value { margin-top: 0.15rem; font-size: 1.75rem; font-weight: 650; line-height: 1.25;
  letter-spacing: -0.015em; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dd.note { margin-top: 0.2rem; color: var(--quiet); font-size: 0.85rem; line-height: 1.4; }

table { border-collapse: collapse; font-size: 0.95rem; line-height: 1.45; }
th, td { padding: 0.45rem 1.5rem 0.45rem 0; text-align: left; vertical-align: baseline;
  font-weight: 400; }
th:last-child, td:last-child { padding-right: 0.25rem; }
.data { min-width: min(100%, 26rem); }
.data thead th { color: var(--quiet); font-size: 0.87rem; font-weight: 600; vertical-align: bottom;
  border-bottom: 1px solid var(--quiet); }
.data tbody th, .data tbody td { border-bottom: 1px solid var(--hairline); }
.data tbody th { min-width: 7.5rem; }
.data .number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }

.grid th, .grid td { padding: 0 0.9rem 1rem 0; vertical-align: top; }
.grid thead th { padding-bottom: 0.5rem; color: var(--quiet); font-size: 0.87rem;
  font-weight: 600; }
.grid tbody th { min-width: 5.5rem; max-width: 12rem; padding-right: 1.25rem; font-size: 0.9rem; }
.grid img { max-width: none; border-radius: 2px; }
.grid .note { width: min-content; min-width: 100%; margin-top: 0.3rem; color: var(--quiet);
  font-size: 0.82rem; line-height: 1.35; font-variant-numeric: tabular-nums; }

.command { margin: 1.5rem 0; }
.command figcaption { margin: 0 0 0.35rem; font-size: 0.87rem; }
pre { margin: 0; padding: 0.85rem 1.1rem; border-radius: 0.5rem; background: var(--panel);
  font-size: 0.875rem; line-height: 1.55; white-space: pre-wrap; overflow-wrap: anywhere; }
code { font-family: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono",
  monospace; }

@media screen and (max-width: 42rem) {
  body { padding: 2rem 1.1rem 3rem; }
  h1 { font-size: 1.65rem; }
  dl { grid-template-columns: 1fr 1fr; }
  .plot .fits { min-width: 34rem; }
}
@media print {
  @page { margin: 18mm 16mm; }
  body { padding: 0; font-size: 10pt; }
  main { max-width: none; }
  section { margin-top: 1.5rem; padding-top: 1rem; }
  h1, h2 { break-after: avoid; }
  figure, tr, .tile { break-inside: avoid; }
  .scroll { overflow: visible; }
  .plot svg { max-width: 100%; }
  .tile, pre { border: 1px solid var(--hairline); }
  a { color: inherit; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";

}  // namespace limpid::interpret
