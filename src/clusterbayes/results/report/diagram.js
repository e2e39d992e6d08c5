"use strict";
/* The colour-magnitude diagram on a canvas: hover or arrow keys name a star, a slider says what counts as a member. */
(function () {
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not(.screen)").forEach((one) => { one.open = true; });
  });
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.pairs.length || !data.ids.length) return;
  const find = (id) => document.getElementById(id);
  const canvas = find("canvas"), pen = canvas.getContext("2d"), tip = find("tip");
  const MEMBER = "#1f62ab", OTHER = "#a3a9b1", LINE = "#d55e00", BINARY = "#e69f00", INK = "#22262b";
  let points = [], view = null, chosen = -1, order = [], box = null;

  /* Sum of observables by their factors; one that is missing matters only where it is used. */
  function combine(columns, factors, row) {
    let sum = 0;
    for (let k = 0; k < factors.length; k++) {
      if (!factors[k]) continue;
      const value = columns[k][row];
      if (value === null) return NaN;
      sum += factors[k] * value;
    }
    return sum;
  }

  const pair = () => data.pairs[find("pair").selectedIndex];
  const threshold = () => Number(find("threshold").value);
  const isMember = (row) => data.p[row] >= threshold();
  const project = (columns, row) => [combine(columns, pair().colour[1], row), combine(columns, pair().magnitude[1], row)];
  const known = (point) => isFinite(point[0]) && isFinite(point[1]);

  function quantile(sorted, share) { return sorted[Math.round(share * (sorted.length - 1))]; }

  /* Nearly all stars, and all those that are likelier members than not. */
  function limits(axis) {
    const sort = (list) => list.sort((a, b) => a - b);
    const all = sort(points.filter(known).map((point) => point[axis]));
    if (!all.length) return [0, 1];
    const likely = sort(points.filter((point, row) => known(point) && data.p[row] > 0.5).map((point) => point[axis]));
    let low = quantile(all, 0.005), high = quantile(all, 0.995);
    if (likely.length) { low = Math.min(low, quantile(likely, 0.002)); high = Math.max(high, quantile(likely, 0.998)); }
    const margin = 0.06 * (high - low) + 0.05;
    return [low - margin, high + margin];
  }

  function choose() {
    points = data.ids.map((_, row) => project(data.values, row));
    order = points.map((_, row) => row).filter((row) => known(points[row]))
      .sort((a, b) => points[a][1] - points[b][1]);
    view = { x: limits(0), y: limits(1) };
    select(-1);
    draw();
  }

  function ticks(low, high) {
    const rough = (high - low) / 8, power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= rough);
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(Number((n * step).toPrecision(8)));
    return found;
  }

  const atX = (x) => box.left + (x - view.x[0]) / (view.x[1] - view.x[0]) * box.width;
  const atY = (y) => box.top + (y - view.y[0]) / (view.y[1] - view.y[0]) * box.height;  /* bright is up */

  function axes(width, height) {
    pen.strokeStyle = INK; pen.fillStyle = INK; pen.lineWidth = 1;
    pen.strokeRect(box.left, box.top, box.width, box.height);
    pen.font = "13px system-ui, sans-serif";
    pen.textAlign = "center"; pen.textBaseline = "top";
    for (const x of ticks(...view.x)) {
      pen.fillRect(atX(x), box.top + box.height - 5, 1, 5);
      pen.fillText(String(x).replace("-", "−"), atX(x), box.top + box.height + 6);
    }
    pen.textAlign = "right"; pen.textBaseline = "middle";
    for (const y of ticks(...view.y)) {
      pen.fillRect(box.left, atY(y), 5, 1);
      pen.fillText(String(y).replace("-", "−"), box.left - 6, atY(y));
    }
    pen.textAlign = "center"; pen.textBaseline = "bottom";
    pen.fillText(pair().colour[0] + " [mag]", box.left + box.width / 2, height - 4);
    pen.save();
    pen.translate(15, box.top + box.height / 2); pen.rotate(-Math.PI / 2);
    pen.fillText(pair().magnitude[0] + " [mag]", 0, 4);
    pen.restore();
  }

  function curve(one) {
    const look = { fan: [LINE, 0.25, []], best: [LINE, 1, []], binary: [BINARY, 1, [6, 4]] }[one.kind];
    pen.strokeStyle = look[0]; pen.globalAlpha = look[1]; pen.setLineDash(look[2]); pen.lineWidth = 1.6;
    pen.beginPath();
    let down = false;
    for (let row = 0; row < one.values[0].length; row++) {
      const point = project(one.values, row);
      if (!known(point)) { down = false; continue; }
      if (down) pen.lineTo(atX(point[0]), atY(point[1])); else pen.moveTo(atX(point[0]), atY(point[1]));
      down = true;
    }
    pen.stroke();
    pen.globalAlpha = 1; pen.setLineDash([]);
  }

  function dots(members) {
    const size = Math.max(1.4, Math.min(3.6, 60 / Math.sqrt(data.ids.length)));
    pen.fillStyle = members ? MEMBER : OTHER;
    for (const row of order) {
      if (isMember(row) !== members) continue;
      pen.beginPath();
      pen.arc(atX(points[row][0]), atY(points[row][1]), members ? size : 0.75 * size, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  function draw() {
    const width = canvas.clientWidth, height = canvas.clientHeight, sharp = window.devicePixelRatio || 1;
    if (!width || !height) return;
    canvas.width = Math.round(width * sharp); canvas.height = Math.round(height * sharp);
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    box = { left: 56, top: 12, width: width - 70, height: height - 58 };
    pen.fillStyle = "#fff"; pen.fillRect(0, 0, width, height);
    pen.save();
    pen.beginPath(); pen.rect(box.left, box.top, box.width, box.height); pen.clip();
    const lines = find("show-curves").checked ? data.curves : [];
    lines.filter((one) => one.kind === "fan").forEach(curve);
    if (find("show-field").checked) dots(false);
    dots(true);
    lines.filter((one) => one.kind !== "fan").forEach(curve);
    if (chosen >= 0) {
      pen.strokeStyle = INK; pen.lineWidth = 2;
      pen.beginPath(); pen.arc(atX(points[chosen][0]), atY(points[chosen][1]), 7, 0, 2 * Math.PI); pen.stroke();
    }
    pen.restore();
    axes(width, height);
  }

  function count() {
    const rows = data.p.map((_, row) => row).filter(isMember);
    const expected = rows.reduce((sum, row) => sum + data.p[row], 0);
    const all = data.p.reduce((sum, p) => sum + p, 0);
    find("threshold-value").textContent = threshold().toFixed(2);
    let text = rows.length + " of " + data.p.length + " stars count as members";
    if (rows.length) {
      text += "; " + (100 * expected / rows.length).toFixed(0) + " % of them are expected to be members, and they hold "
        + (100 * expected / all).toFixed(0) + " % of all members";
    }
    find("count").textContent = text + ".";
  }

  function describe(row) {
    const lines = [data.ids[row]];
    data.names.forEach((name, k) => {
      const value = data.values[k][row];
      lines.push(name + " " + (value === null ? "missing" : value.toFixed(3).replace("-", "−")));
    });
    lines.push("member with probability " + data.p[row].toFixed(3));
    return lines;
  }

  function select(row) {
    chosen = row;
    tip.hidden = row < 0;
    if (row < 0) return;
    const lines = describe(row), x = atX(points[row][0]), y = atY(points[row][1]);
    tip.textContent = lines.join("\n");
    tip.style.left = Math.max(0, Math.min(x + 12, canvas.clientWidth - tip.offsetWidth - 4)) + "px";
    tip.style.top = (y + 14 + tip.offsetHeight > canvas.clientHeight ? y - tip.offsetHeight - 10 : y + 14) + "px";
    find("star").textContent = lines.join(", ") + ".";
  }

  const visible = (row) => (isMember(row) || find("show-field").checked)
    && points[row][0] >= view.x[0] && points[row][0] <= view.x[1]
    && points[row][1] >= view.y[0] && points[row][1] <= view.y[1];

  function hover(event) {
    const frame = canvas.getBoundingClientRect();
    const x = event.clientX - frame.left - canvas.clientLeft, y = event.clientY - frame.top - canvas.clientTop;
    let best = -1, least = 14 * 14;
    for (const row of order) {
      if (!visible(row)) continue;
      const far = (atX(points[row][0]) - x) ** 2 + (atY(points[row][1]) - y) ** 2;
      if (far < least) { least = far; best = row; }
    }
    if (best !== chosen) { select(best); draw(); }
  }

  function step(event) {
    const way = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") { select(-1); draw(); return; }
    if (!way) return;
    event.preventDefault();
    const rows = order.filter((row) => isMember(row) && visible(row));
    if (!rows.length) return;
    const at = rows.indexOf(chosen);
    select(rows[at < 0 ? (way > 0 ? 0 : rows.length - 1) : (at + way + rows.length) % rows.length]);
    draw();
  }

  data.pairs.forEach((one) => find("pair").add(new Option(one.colour[0] + ", " + one.magnitude[0])));
  find("diagram").hidden = false;
  find("pair").addEventListener("change", choose);
  find("threshold").addEventListener("input", () => { select(-1); count(); draw(); });
  for (const id of ["show-curves", "show-field"]) find(id).addEventListener("change", () => { select(-1); draw(); });
  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerdown", hover);
  canvas.addEventListener("pointerleave", () => { if (document.activeElement !== canvas) { select(-1); draw(); } });
  canvas.addEventListener("keydown", step);
  canvas.addEventListener("blur", () => { select(-1); draw(); });
  window.addEventListener("resize", () => { select(-1); draw(); });
  choose();
  count();
}());
