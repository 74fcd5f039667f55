// SPDX-License-Identifier: Apache-2.0
#include "cli/report/explain_page.h"

namespace suanli::cli {

namespace {

// Columns: forward, backward, update. Rows: modules, in the order in which the forward pass meets
// them, so a layer's gradient and its update stand beside the layer. A kernel that computes a
// gradient and then an update spans both columns. The columns share the window's width; in a narrow
// one, names and memory stand above the boxes.
constexpr const char* kHead = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>suanli explain</title>
<style>
  :root { color-scheme: light dark; --ink: #1d2733; --soft: #66737f; --line: #d8dee4; --ground: #ffffff; --band: #f5f7f9; --edge: #aab4be; --bar: #5b8def;
          --k0: #bcd7ff; --k1: #c9ecc4; --k2: #ffd2a8; --k3: #e9e3f5; --border: #0003 }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e4e8ec; --soft: #9aa7b3; --line: #3a444e; --ground: #14181c; --band: #1d2329; --edge: #5d6873; --bar: #5b8def;
            --k0: #274673; --k1: #2b5732; --k2: #74481f; --k3: #463f66; --border: #fff3 }
  }
  body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 24px }
  @media (max-width: 900px) { body { margin: 8px } }
  h1 { font-size: 20px; margin: 0 0 2px } h2 { font-size: 15px; margin: 28px 0 8px } .soft { color: var(--soft) }
  .cards { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0 }
  .card { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px; min-width: 120px } .card b { display: block; font-size: 17px }
  .scroll { overflow-x: auto }
  table { border-collapse: collapse } td, th { text-align: left; padding: 2px 14px 2px 0; vertical-align: top } th { color: var(--soft); font-weight: 500 }
  td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
  .bar { display: inline-block; height: 9px; background: var(--bar); border-radius: 2px; vertical-align: middle; margin-right: 6px }
  svg { display: block } svg text { font: 12px system-ui, sans-serif; fill: var(--ink) } svg text.small { font-size: 10.5px; fill: var(--soft) }
  .band { fill: var(--band) } .held { fill: var(--bar) } .k0 { fill: var(--k0) } .k1 { fill: var(--k1) } .k2 { fill: var(--k2) } .k3 { fill: var(--k3) }
  .edge { fill: none; stroke: var(--edge); stroke-width: 1; opacity: .55 } .edge.on { stroke: #d33; stroke-width: 2; opacity: 1 }
  .node rect { stroke: var(--border); rx: 4 } .node { cursor: default } .dim { opacity: .18 } .node.on rect { stroke: #d33; stroke-width: 2 }
  .legend span { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin: 0 5px 0 14px; vertical-align: -1px; border: 1px solid var(--border) }
  #tip { position: fixed; pointer-events: none; background: #1d2733; color: #fff; padding: 6px 9px; border-radius: 5px; max-width: min(460px, 90vw); font-size: 12px; display: none; white-space: pre-wrap; overflow-wrap: anywhere }
  details { margin-top: 6px } pre { font-size: 11.5px; overflow-x: auto; background: var(--band); padding: 8px }
</style></head><body><div id="page"></div><div id="tip"></div>
<script id="data" type="application/json">)html";

constexpr const char* kScript = R"html(</script>
<script>
const all = JSON.parse(document.getElementById("data").textContent), page = document.getElementById("page"), tip = document.getElementById("tip");
const esc = s => String(s).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));
const unit = (v, step, names) => { let i = 0; while (v >= step && i + 1 < names.length) v /= step, ++i; return (i ? v.toFixed(1) : v) + " " + names[i]; };
const bytes = v => unit(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]), flops = v => unit(v, 1000, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"]);
const kinds = [["product or convolution", n => /^(conv|matmul|linear|attention|scaled_dot)/.test(n)], ["fused", n => n.startsWith("fused")],
               ["reorder", n => n === "reorder"], ["other kernel", () => true]];
const kind = name => kinds.findIndex(k => k[1](name));
const outside = "(outside of modules)";
const short = (s, n) => s.length > n ? s.slice(0, n - 1) + "…" : s;

function title(k) {   // what a box says: the op, or how many were fused
  if (!k.name.startsWith("fused(")) return k.name;
  const ops = k.name.slice(6, -1).split(", ");
  return ops.length > 3 ? `${ops.slice(0, 2).join(", ")} … ${ops.length} ops` : ops.join(", ");
}

// The row of each kernel. An update stands beside the layer whose gradient it reads, which the optimizer does not name.
function bands(p) {
  const of = [];
  p.kernels.forEach((k, i) => {
    const from = k.phase === "update" ? k.reads.find(r => p.kernels[r].phase !== "update") ?? k.reads[0] : undefined;
    of[i] = from === undefined ? k.module || outside : of[from];
  });
  return of;
}

function drawing(p, at, width) {
  const narrow = width < 900, H = 34, GAP = 8, PAD = 9, LEFT = narrow ? 6 : 170, RIGHT = narrow ? 6 : 140, HEAD = narrow ? 22 : 0;
  const COLUMN = Math.min(330, Math.floor((width - LEFT - RIGHT) / 3)), SPACE = narrow ? 14 : 64, W = COLUMN - SPACE, END = LEFT + 3 * COLUMN;
  const phases = ["forward", "backward", "update"], of = bands(p), rows = new Map(), held = new Map();
  const row = name => rows.get(name) || rows.set(name, [[], [], []]).get(name);
  p.kernels.map((k, i) => i).sort((a, b) => p.kernels[a].record - p.kernels[b].record).forEach(i => row(of[i]));
  p.kernels.forEach((k, i) => row(of[i])[phases.indexOf(k.phase)].push(i));
  p.memory.holders.forEach(h => { const m = h.module || outside; row(m); held.set(m, (held.get(m) || 0) + h.bytes); });
  const most = Math.max(1, ...held.values()), letters = w => Math.floor(w / 6.8);
  const both = k => k.phase === "backward" && k.updates;
  const place = [];
  let y = 30, ground = "";
  for (const [name, cells] of rows) {
    const wide = cells[1].filter(i => both(p.kernels[i])).length;
    const depth = Math.max(1, cells[0].length, cells[1].length, wide + cells[2].length), height = depth * (H + GAP) - GAP + 2 * PAD + HEAD;
    const line = n => y + PAD + HEAD + n * (H + GAP), free = new Set(Array(depth).keys());
    cells[0].forEach((i, n) => place[i] = {x: LEFT, y: line(n), w: W});
    cells[1].forEach((i, n) => {   // from below: the gradient runs backward
      place[i] = {x: LEFT + COLUMN, y: line(depth - 1 - n), w: both(p.kernels[i]) ? COLUMN + W : W};
      if (both(p.kernels[i])) free.delete(depth - 1 - n);
    });
    const lines = [...free];
    cells[2].forEach((i, n) => place[i] = {x: LEFT + 2 * COLUMN, y: line(lines[n]), w: W});
    const memory = held.get(name) || 0, x = narrow ? END - 130 : END;
    ground += `<rect class="band" x="0" y="${y}" width="${END + RIGHT}" height="${height}" rx="6"/>` +
              `<text x="10" y="${y + PAD + (narrow ? 9 : 15)}">${esc(short(name, letters(narrow ? END - 150 : LEFT - 14)))}</text>`;
    if (memory) ground += narrow ? `<text class="small" x="${END}" y="${y + PAD + 9}" text-anchor="end">${bytes(memory)}</text>`
                                 : `<rect class="held" x="${x}" y="${y + PAD + 4}" width="${Math.max(2, (RIGHT - 12) * memory / most)}" height="10" rx="2"/>` +
                                   `<text class="small" x="${x}" y="${y + PAD + 29}">${bytes(memory)}</text>`;
    y += height + 6;
  }
  let edges = "", nodes = "";
  p.kernels.forEach((k, i) => k.reads.forEach(r => {
    const a = place[r], b = place[i], same = a.x === b.x, ay = a.y + H / 2, by = b.y + H / 2, side = a.x < b.x;
    // Within a column an arc beside it, the farther the longer; neighbors are joined straight.
    const near = same && Math.abs(a.y - b.y) <= H + GAP + 1, bow = Math.min(SPACE - 4, 14 + Math.abs(a.y - b.y) / 14);
    const d = near ? `M${a.x + W / 2},${a.y < b.y ? a.y + H : a.y} L${b.x + W / 2},${a.y < b.y ? b.y : b.y + H}`
            : same ? `M${a.x + a.w},${ay} C${a.x + a.w + bow},${ay} ${b.x + b.w + bow},${by} ${b.x + b.w},${by}`
                   : `M${side ? a.x + a.w : a.x},${ay} C${(a.x + b.x + W) / 2},${ay} ${(a.x + b.x + W) / 2},${by} ${side ? b.x : b.x + b.w},${by}`;
    edges += `<path class="edge" data-a="${r}" data-b="${i}" d="${d}"/>`;
  }));
  p.kernels.forEach((k, i) => {
    const {x, y, w} = place[i], work = flops(k.flops), notes = narrow ? "" : (k.leaves ? " · kept" : "");
    const left = letters(w - 10) - (narrow ? 0 : work.length + notes.length);
    nodes += `<g class="node" data-i="${i}" transform="translate(${x},${y})"><rect class="k${kind(k.name)}" width="${w}" height="${H}"/>` +
             `<text x="7" y="14">${esc(short(title(k), letters(w - 10)))}</text><text class="small" x="7" y="27">${esc(short(`${i} · ${k.results[0]}`, left))}${notes}</text>` +
             (narrow ? "" : `<text class="small" x="${w - 6}" y="27" text-anchor="end">${work}</text>`) + `</g>`;
  });
  const heads = phases.map((t, x) => `<text x="${LEFT + x * COLUMN}" y="18" font-weight="600">${t}</text>`).join("");
  const names = narrow ? "" : `<text x="10" y="18" font-weight="600">module</text><text x="${END}" y="18" font-weight="600">held at the peak</text>`;
  return `<svg width="${END + RIGHT}" height="${y + 6}" data-p="${at}">${ground}${names}${heads}${edges}${nodes}</svg>`;
}

function section(p, at, width) {
  const m = p.memory, count = new Map();
  p.kernels.forEach(k => { const n = k.name.split("(")[0]; count.set(n, (count.get(n) || 0) + 1); });
  const card = (name, value) => `<div class="card"><span class="soft">${name}</span><b>${value}</b></div>`;
  const most = Math.max(1, ...m.holders.map(h => h.bytes));
  const fused = p.kernels.filter(k => k.ops > 1);
  return `<div class="cards">${card("recorded ops", p.passes[0].records.length)}${card("kernels", p.kernels.length)}${card("fused kernels", fused.length)}
    ${card("reorders", p.reorders)}${card("work", flops(p.flops))}${card("read and written", bytes(p.bytes))}${card("working memory", bytes(m.working_bytes))}
    ${card("written in place", bytes(m.overwritten_bytes))}</div>
    <div class="legend soft">${kinds.map((k, i) => `<span style="background:var(--k${i})"></span>${k[0]}`).join("")} &nbsp; a box names kernel, order, result and work; a box across two columns computes a gradient and then an update; point at a box to see what it reads and who reads it</div>
    <div class="scroll">${drawing(p, at, width)}</div>
    <h2>Passes</h2><div class="scroll"><table><tr><th>pass</th><th>records</th></tr>${p.passes.map(q => `<tr><td>${esc(q.pass)}</td><td class="n">${q.records.length}</td></tr>`).join("")}
      <tr><td>fusion</td><td class="n">${p.kernels.length} kernels</td></tr></table></div>
    ${p.passes.map(q => `<details><summary>records: ${esc(q.pass)}</summary><pre>${esc(q.records.join("\n"))}</pre></details>`).join("")}
    <h2>Kernels by kind</h2><div class="scroll"><table>${[...count].sort((a, b) => b[1] - a[1]).map(([n, c]) => `<tr><td class="n">${c}</td><td>${esc(n)}</td></tr>`).join("")}</table></div>
    <h2>Fusable neighbors in different kernels</h2><div class="scroll"><table>${p.unfused.map(u => `<tr><td class="n">${u.count}</td><td>${esc(u.why)}</td><td class="soft">${esc(u.example)}</td></tr>`).join("") || "<tr><td>none</td></tr>"}</table></div>
    <h2>Who holds memory when it is fullest (in ${esc(m.fullest_in)})</h2><div class="scroll"><table>${m.holders.slice(0, 20).map(h => `<tr><td><i class="bar" style="width:${120 * h.bytes / most}px"></i></td><td class="n">${bytes(h.bytes)}</td><td>${h.kind}</td><td>${esc(short(h.op, 60))}</td><td class="soft">${esc(h.module)}</td></tr>`).join("")}</table></div>
    <h2>New values that are not written over the former ones</h2><div class="scroll"><table>${m.not_overwritten.map(k => `<tr><td class="n">${bytes(k.bytes)}</td><td>${esc(k.op)}</td><td>${esc(k.module)}</td><td class="soft">${esc(k.why)}</td></tr>`).join("") || "<tr><td>none</td></tr>"}</table></div>`;
}

let shown = 0;
function show() {
  const width = page.clientWidth;
  if (width === shown) return;
  shown = width;
  page.innerHTML = `<h1>${esc(all.what)}</h1><div class="soft">${esc(all.data)} · input ${esc(all.input_shape.join(" × "))} · ${all.threads} ${all.threads === 1 ? "thread" : "threads"} · suanli ${esc(all.version)}</div>` +
                   all.programs.map((p, i) => (all.programs.length > 1 ? `<h2>Program ${i + 1} of ${all.programs.length}</h2>` : "") + section(p, i, width)).join("");
  document.querySelectorAll("svg").forEach(svg => {
    const p = all.programs[svg.dataset.p];
    svg.querySelectorAll(".node").forEach(node => {
      const i = +node.dataset.i, k = p.kernels[i];
      node.onmouseenter = () => {
        const linked = new Set([i]);
        svg.querySelectorAll(".edge").forEach(e => { const on = +e.dataset.a === i || +e.dataset.b === i; e.classList.toggle("on", on); e.classList.toggle("dim", !on); if (on) linked.add(+e.dataset.a).add(+e.dataset.b); });
        svg.querySelectorAll(".node").forEach(n => { n.classList.toggle("dim", !linked.has(+n.dataset.i)); n.classList.toggle("on", +n.dataset.i === i); });
        tip.textContent = `${k.name}\n${k.module || "outside of modules"}, ${k.phase}${k.updates && k.phase !== "update" ? " and update" : ""}\n→ ${k.results.join(", ")}\n${flops(k.flops)}, ${bytes(k.bytes)} read and written` + (k.workspace_bytes ? `, workspace ${bytes(k.workspace_bytes)}` : "");
        tip.style.display = "block";
      };
      node.onmousemove = e => { tip.style.left = Math.max(4, Math.min(e.clientX + 14, innerWidth - tip.offsetWidth - 8)) + "px"; tip.style.top = e.clientY + 14 + "px"; };
      node.onmouseleave = () => { svg.querySelectorAll(".on, .dim").forEach(e => e.classList.remove("on", "dim")); tip.style.display = "none"; };
    });
  });
}
show();
addEventListener("resize", show);
</script></body></html>
)html";

}  // namespace

std::string explain_page(const Json& explained) {
  std::string data = explained.dump();
  // no text may end the script
  for (size_t at = 0; (at = data.find("</", at)) != std::string::npos; at += 3)
    data.replace(at, 2, "<\\/");
  return kHead + data + kScript;
}

}  // namespace suanli::cli
