#include "cli/explain_page.h"

namespace suanli::cli {

namespace {

// Columns: forward, backward, update. Rows: modules, in the order in which the forward pass meets them; so a layer's gradient stands beside
// the layer, and what is fused across layers is seen by its edges.
constexpr const char* kHead = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>suanli explain</title>
<style>
  :root { --ink: #1d2733; --soft: #66737f; --line: #d8dee4; --ground: #ffffff; --band: #f5f7f9; }
  body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 24px; }
  h1 { font-size: 20px; margin: 0 0 2px } h2 { font-size: 15px; margin: 28px 0 8px } .soft { color: var(--soft) }
  .cards { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0 }
  .card { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px; min-width: 120px } .card b { display: block; font-size: 17px }
  table { border-collapse: collapse } td, th { text-align: left; padding: 2px 14px 2px 0; vertical-align: top } th { color: var(--soft); font-weight: 500 }
  td.n { text-align: right; font-variant-numeric: tabular-nums }
  .bar { display: inline-block; height: 9px; background: #5b8def; border-radius: 2px; vertical-align: middle; margin-right: 6px }
  svg { display: block } svg text { font: 12px system-ui, sans-serif; fill: var(--ink) } svg text.small { font-size: 10.5px; fill: var(--soft) }
  .edge { fill: none; stroke: #aab4be; stroke-width: 1; opacity: .55 } .edge.on { stroke: #d33; stroke-width: 2; opacity: 1 }
  .node rect { stroke: #0003; rx: 4 } .node { cursor: default } .dim { opacity: .18 } .node.on rect { stroke: #d33; stroke-width: 2 }
  .legend span { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin: 0 5px 0 14px; vertical-align: -1px; border: 1px solid #0003 }
  #tip { position: fixed; pointer-events: none; background: #1d2733; color: #fff; padding: 6px 9px; border-radius: 5px; max-width: 460px; font-size: 12px; display: none; white-space: pre-wrap }
  details { margin-top: 6px } pre { font-size: 11.5px; overflow-x: auto; background: var(--band); padding: 8px }
</style></head><body><div id="page"></div><div id="tip"></div>
<script id="data" type="application/json">)html";

constexpr const char* kScript = R"html(</script>
<script>
const all = JSON.parse(document.getElementById("data").textContent), page = document.getElementById("page"), tip = document.getElementById("tip");
const esc = s => String(s).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));
const unit = (v, step, names) => { let i = 0; while (v >= step && i + 1 < names.length) v /= step, ++i; return (i ? v.toFixed(1) : v) + " " + names[i]; };
const bytes = v => unit(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]), flops = v => unit(v, 1000, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"]);
const kinds = [["product or convolution", "#bcd7ff", n => /^(conv|matmul|linear|attention|scaled_dot)/.test(n)], ["fused", "#c9ecc4", n => n.startsWith("fused")],
               ["reorder", "#ffd2a8", n => n === "reorder"], ["other kernel", "#e9e3f5", () => true]];
const kind = name => kinds.find(k => k[2](name));
const short = (s, n) => s.length > n ? s.slice(0, n - 1) + "…" : s;

function title(k) {   // what a box says: the op, or how many were fused
  if (!k.name.startsWith("fused(")) return k.name;
  const ops = k.name.slice(6, -1).split(", ");
  return ops.length > 3 ? `${ops.slice(0, 2).join(", ")} … ${ops.length} ops` : ops.join(", ");
}

function drawing(p, at) {
  const W = 236, H = 34, GAP = 8, LEFT = 190, COLUMN = 330, PAD = 9, order = [], rows = new Map();
  const column = {forward: 0, backward: 1, update: 2};
  const bandOf = k => k.module || "(outside of modules)";
  [...p.kernels].sort((a, b) => a.record - b.record).forEach(k => { if (!rows.has(bandOf(k))) rows.set(bandOf(k), [[], [], []]), order.push(bandOf(k)); });
  p.kernels.forEach((k, i) => rows.get(bandOf(k))[column[k.phase]].push(i));
  const place = [], held = new Map();
  p.memory.holders.forEach(h => { const m = h.module || "(outside of modules)"; held.set(m, (held.get(m) || 0) + h.bytes); });
  const most = Math.max(1, ...held.values());
  let y = 30, bands = "";
  for (const band of order) {
    // Updates have no order worth seeing: they are laid in two columns, so that a band of many stays readable.
    const cells = rows.get(band), wide = cells[0].length + cells[1].length === 0, across = wide ? 3 : 1;
    const depth = wide ? Math.ceil(cells[2].length / across) : Math.max(...cells.map(c => c.length));
    const height = depth * (H + GAP) - GAP + 2 * PAD;
    cells.forEach((c, x) => c.forEach((i, n) => place[i] = wide ? {x: LEFT + (n % across) * COLUMN, y: y + PAD + Math.floor(n / across) * (H + GAP)}
                                                            : {x: LEFT + x * COLUMN, y: y + PAD + (x === 1 ? depth - 1 - n : n) * (H + GAP)}));
    const memory = held.get(band) || 0;
    bands += `<rect x="0" y="${y}" width="${LEFT + 3 * COLUMN + 150}" height="${height}" fill="var(--band)" rx="6"/><text x="10" y="${y + PAD + 15}">${esc(short(band, 26))}</text>`;
    if (memory) bands += `<rect x="${LEFT + 3 * COLUMN}" y="${y + PAD + 4}" width="${Math.max(2, 130 * memory / most)}" height="10" fill="#5b8def" rx="2"/><text class="small" x="${LEFT + 3 * COLUMN}" y="${y + PAD + 29}">${bytes(memory)}</text>`;
    y += height + 6;
  }
  let edges = "", nodes = "";
  p.kernels.forEach((k, i) => k.reads.forEach(r => {
    const a = place[r], b = place[i], same = a.x === b.x, ay = a.y + H / 2, by = b.y + H / 2, side = a.x < b.x;
    // Within a column an arc beside it, the farther the longer; neighbours are joined straight.
    const near = same && Math.abs(a.y - b.y) <= H + GAP + 1, bow = Math.min(70, 14 + Math.abs(a.y - b.y) / 14);
    const d = near ? `M${a.x + W / 2},${a.y < b.y ? a.y + H : a.y} L${b.x + W / 2},${a.y < b.y ? b.y : b.y + H}`
            : same ? `M${a.x + W},${ay} C${a.x + W + bow},${ay} ${b.x + W + bow},${by} ${b.x + W},${by}`
                   : `M${side ? a.x + W : a.x},${ay} C${(a.x + b.x + W) / 2},${ay} ${(a.x + b.x + W) / 2},${by} ${side ? b.x : b.x + W},${by}`;
    edges += `<path class="edge" data-a="${r}" data-b="${i}" d="${d}"/>`;
  }));
  p.kernels.forEach((k, i) => {
    nodes += `<g class="node" data-i="${i}" transform="translate(${place[i].x},${place[i].y})"><rect width="${W}" height="${H}" fill="${kind(k.name)[1]}"/>` +
             `<text x="7" y="14">${esc(short(title(k), 34))}</text><text class="small" x="7" y="27">${i} · ${esc(short(k.results[0], 26))}${k.leaves ? " · kept" : ""}</text>` +
             `<text class="small" x="${W - 6}" y="27" text-anchor="end">${flops(k.flops)}</text></g>`;
  });
  const heads = ["forward", "backward", "update"].map((t, x) => `<text x="${LEFT + x * COLUMN}" y="18" font-weight="600">${t}</text>`).join("");
  return `<svg width="${LEFT + 3 * COLUMN + 160}" height="${y + 6}" data-p="${at}">${bands}<text x="10" y="18" font-weight="600">module</text>${heads}` +
         `<text x="${LEFT + 3 * COLUMN}" y="18" font-weight="600">held at the peak</text>${edges}${nodes}</svg>`;
}

function section(p, at) {
  const m = p.memory, count = new Map();
  p.kernels.forEach(k => { const n = k.name.split("(")[0]; count.set(n, (count.get(n) || 0) + 1); });
  const card = (name, value) => `<div class="card"><span class="soft">${name}</span><b>${value}</b></div>`;
  const most = Math.max(1, ...m.holders.map(h => h.bytes));
  const fused = p.kernels.filter(k => k.ops > 1);
  return `<div class="cards">${card("recorded ops", p.passes[0].records.length)}${card("kernels", p.kernels.length)}${card("fused kernels", fused.length)}
    ${card("reorders", p.reorders)}${card("work", flops(p.flops))}${card("read and written", bytes(p.bytes))}${card("working memory", bytes(m.working_bytes))}
    ${card("written in place", bytes(m.overwritten_bytes))}</div>
    <div class="legend soft">${kinds.map(k => `<span style="background:${k[1]}"></span>${k[0]}`).join("")} &nbsp; a box names kernel, order, result and work; point at it to see what it reads and who reads it</div>
    ${drawing(p, at)}
    <h2>Passes</h2><table><tr><th>pass</th><th>records</th></tr>${p.passes.map(q => `<tr><td>${esc(q.pass)}</td><td class="n">${q.records.length}</td></tr>`).join("")}
      <tr><td>fusion</td><td class="n">${p.kernels.length} kernels</td></tr></table>
    ${p.passes.map(q => `<details><summary>records: ${esc(q.pass)}</summary><pre>${esc(q.records.join("\n"))}</pre></details>`).join("")}
    <h2>Kernels by kind</h2><table>${[...count].sort((a, b) => b[1] - a[1]).map(([n, c]) => `<tr><td class="n">${c}</td><td>${esc(n)}</td></tr>`).join("")}</table>
    <h2>Fusable neighbours in different kernels</h2><table>${p.unfused.map(u => `<tr><td class="n">${u.count}</td><td>${esc(u.why)}</td><td class="soft">${esc(u.example)}</td></tr>`).join("") || "<tr><td>none</td></tr>"}</table>
    <h2>Who holds memory when it is fullest (in ${esc(m.fullest_in)})</h2><table>${m.holders.slice(0, 20).map(h => `<tr><td><i class="bar" style="width:${120 * h.bytes / most}px"></i></td><td class="n">${bytes(h.bytes)}</td><td>${h.kind}</td><td>${esc(short(h.op, 60))}</td><td class="soft">${esc(h.module)}</td></tr>`).join("")}</table>
    <h2>New values that are not written over the former ones</h2><table>${m.not_overwritten.map(k => `<tr><td class="n">${bytes(k.bytes)}</td><td>${esc(k.op)}</td><td>${esc(k.module)}</td><td class="soft">${esc(k.why)}</td></tr>`).join("") || "<tr><td>none</td></tr>"}</table>`;
}

page.innerHTML = `<h1>${esc(all.what)}</h1><div class="soft">${esc(all.data)} · ${all.threads} threads · suanli ${esc(all.version)}</div>` +
                 all.programs.map((p, i) => (all.programs.length > 1 ? `<h2>Program ${i + 1} of ${all.programs.length}</h2>` : "") + section(p, i)).join("");
document.querySelectorAll("svg").forEach(svg => {
  const p = all.programs[svg.dataset.p];
  svg.querySelectorAll(".node").forEach(node => {
    const i = +node.dataset.i, k = p.kernels[i];
    node.onmouseenter = () => {
      const linked = new Set([i]);
      svg.querySelectorAll(".edge").forEach(e => { const on = +e.dataset.a === i || +e.dataset.b === i; e.classList.toggle("on", on); e.classList.toggle("dim", !on); if (on) linked.add(+e.dataset.a).add(+e.dataset.b); });
      svg.querySelectorAll(".node").forEach(n => { n.classList.toggle("dim", !linked.has(+n.dataset.i)); n.classList.toggle("on", +n.dataset.i === i); });
      tip.textContent = `${k.name}\n${k.module || "outside of modules"}, ${k.phase}\n→ ${k.results.join(", ")}\n${flops(k.flops)}, ${bytes(k.bytes)} read and written` + (k.workspace_bytes ? `, workspace ${bytes(k.workspace_bytes)}` : "");
      tip.style.display = "block";
    };
    node.onmousemove = e => { tip.style.left = Math.min(e.clientX + 14, innerWidth - 480) + "px"; tip.style.top = e.clientY + 14 + "px"; };
    node.onmouseleave = () => { svg.querySelectorAll(".on, .dim").forEach(e => e.classList.remove("on", "dim")); tip.style.display = "none"; };
  });
});
</script></body></html>
)html";

}  // namespace

std::string explain_page(const Json& explained) {
  std::string data = explained.dump();
  for (size_t at = 0; (at = data.find("</", at)) != std::string::npos; at += 3) data.replace(at, 2, "<\\/");  // no text may end the script
  return kHead + data + kScript;
}

}  // namespace suanli::cli
