(() => {
  "use strict";
  const C = { ink: "#1b2733", soft: "#5a6b7b", rule: "#dde3e8", blue: "#1f5f99", band: "#cfe0f0", red: "#b3361b",
    green: "rgba(63,143,95,.22)", greenLine: "#3f8f5f", amber: "#c98a1b", pale: "#e7c98f" };
  const root = document.getElementById("page");
  const whole = { from: DATA.about.from, to: Math.max(DATA.about.to, DATA.about.from + 1) };
  let lang = location.hash === "#fa" || (!location.hash && (navigator.language || "").startsWith("fa")) ? "fa" : "en";
  let view = { ...whole };
  let chosen = 0;
  let drawers = [];

  const w = (key) => WORDS[lang][key] ?? key;
  const locale = () => (lang === "fa" ? "fa-IR" : "en-GB");
  const num = (value, digits = 4) =>
    new Intl.NumberFormat(locale(), { maximumSignificantDigits: digits, useGrouping: false }).format(value);
  const stamp = (seconds, parts) => new Intl.DateTimeFormat(lang === "fa" ? "fa-IR" : "sv-SE", { timeZone: "UTC", hourCycle: "h23", ...parts }).format(new Date(seconds * 1000));
  const when = (seconds) => stamp(seconds, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const span = (seconds) => {
    const size = Math.abs(seconds);
    if (size < 120) return num(seconds) + " " + w("s");
    return size < 7200 ? num(seconds / 60, 3) + " " + w("min") : num(seconds / 3600, 3) + " " + w("h");
  };
  const el = (tag, more, ...kids) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(more || {})) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (key === "class") node.className = value;
      else node.setAttribute(key, value);
    }
    node.append(...kids.filter((kid) => kid !== null && kid !== undefined));
    return node;
  };

  // Columns.
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const levelsOf = (series) => {
    if (series.levels) return series.levels;
    const steps = new Uint32Array(bytes(series.t));
    const base = { t: Float64Array.from(steps, (n) => series.first + n * series.step), lo: new Float32Array(bytes(series.lo)),
      hi: new Float32Array(bytes(series.hi)), bl: new Float32Array(bytes(series.bl)), bh: new Float32Array(bytes(series.bh)),
      s: new Uint8Array(bytes(series.s)) };
    series.levels = [base];
    while (series.levels[series.levels.length - 1].t.length > 512) series.levels.push(coarser(series.levels[series.levels.length - 1]));
    return series.levels;
  };
  // Four pieces become one: what is lowest and highest stays so.
  const coarser = (fine) => {
    const n = Math.ceil(fine.t.length / 4);
    const out = { t: new Float64Array(n), lo: new Float32Array(n), hi: new Float32Array(n), bl: new Float32Array(n).fill(NaN),
      bh: new Float32Array(n).fill(NaN), s: new Uint8Array(n).fill(255) };
    for (let i = 0; i < n; i++) {
      const end = Math.min(4 * i + 4, fine.t.length);
      out.t[i] = fine.t[4 * i]; out.lo[i] = Infinity; out.hi[i] = -Infinity;
      for (let k = 4 * i; k < end; k++) {
        out.lo[i] = Math.min(out.lo[i], fine.lo[k]); out.hi[i] = Math.max(out.hi[i], fine.hi[k]);
        if (!Number.isNaN(fine.bl[k])) {
          out.bl[i] = Number.isNaN(out.bl[i]) ? fine.bl[k] : Math.min(out.bl[i], fine.bl[k]);
          out.bh[i] = Number.isNaN(out.bh[i]) ? fine.bh[k] : Math.max(out.bh[i], fine.bh[k]);
        }
        if (fine.s[k] !== 255) out.s[i] = out.s[i] === 255 ? fine.s[k] : Math.max(out.s[i], fine.s[k]);
      }
    }
    return out;
  };
  const firstAtOrAfter = (times, at) => {
    let low = 0, high = times.length;
    while (low < high) { const mid = (low + high) >> 1; if (times[mid] < at) low = mid + 1; else high = mid; }
    return low;
  };
  const visible = (series, pixels) => {
    const levels = levelsOf(series);
    for (let n = 0; ; n++) {
      const level = levels[n];
      const a = Math.max(0, firstAtOrAfter(level.t, view.from) - 1), b = Math.min(level.t.length, firstAtOrAfter(level.t, view.to) + 1);
      if (b - a <= 2 * pixels || n === levels.length - 1) return { level, a, b };
    }
  };

  // Pictures.
  const LEFT = 64, RIGHT = 10;
  const sheet = (height, draw, still) => {
    const node = el("canvas", { height, style: "height:" + height + "px", class: still ? "still" : "", role: "img" });
    const again = () => {
      const wide = node.clientWidth || 1100, ratio = window.devicePixelRatio || 1;
      node.width = Math.round(wide * ratio); node.height = Math.round(height * ratio);
      const g = node.getContext("2d");
      g.scale(ratio, ratio); g.font = "12px system-ui, sans-serif"; g.textBaseline = "middle";
      draw(g, wide, height, node);
    };
    drawers.push(again);
    return node;
  };
  const ticks = (from, to, many) => {
    const STEPS = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000];
    const step = STEPS.find((s) => (to - from) / s <= many) || 31536000 * Math.ceil((to - from) / 31536000 / many);
    const all = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) all.push(at);
    return { all, step };
  };
  const xOf = (wide) => (at) => LEFT + ((wide - LEFT - RIGHT) * (at - view.from)) / (view.to - view.from);
  const timeAxis = (g, wide, bottom, top) => {
    const x = xOf(wide), { all, step } = ticks(view.from, view.to, Math.max(2, Math.floor((wide - LEFT) / 110)));
    g.textAlign = "center";
    for (const at of all) {
      g.strokeStyle = C.rule; g.beginPath(); g.moveTo(x(at), top); g.lineTo(x(at), bottom); g.stroke();
      g.fillStyle = C.soft;
      const parts = step < 60 ? { hour: "2-digit", minute: "2-digit", second: "2-digit" } : step < 86400 ? { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" } : { year: "numeric", month: "2-digit", day: "2-digit" };
      g.fillText(stamp(at, parts), x(at), bottom + 11);
    }
  };
  const valueAxis = (g, wide, top, bottom, low, high) => {
    const rough = (high - low) / 4, ten = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = ten * [1, 2, 2.5, 5, 10].find((n) => n * ten >= rough * 0.999);
    g.textAlign = "right";
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) {
      const y = bottom - ((n * step - low) / (high - low)) * (bottom - top);
      g.strokeStyle = C.rule; g.beginPath(); g.moveTo(LEFT, y); g.lineTo(wide - RIGHT, y); g.stroke();
      g.fillStyle = C.soft; g.fillText(num(n * step || 0, 6), LEFT - 6, y);
    }
  };
  const clip = (g, wide, top, bottom) => { g.save(); g.beginPath(); g.rect(LEFT, top, wide - LEFT - RIGHT, bottom - top); g.clip(); };
  const spans = (g, x, all, top, bottom, fill) => {
    g.fillStyle = fill;
    for (const one of all) if (one.to >= view.from && one.from <= view.to) g.fillRect(x(one.from), top, Math.max(1.5, x(one.to) - x(one.from)), bottom - top);
  };
  const anomalies = DATA.anomalies.map(([series, from, to, channel, score]) => ({ series, from, to, channel, score }));

  const drawSeries = (g, wide, height) => {
    const series = DATA.series[chosen];
    if (!series) return;
    const top = 26, bottom = height - 92, x = xOf(wide);
    const { level, a, b } = visible(series, wide - LEFT - RIGHT);
    let low = Infinity, high = -Infinity, bandLow = Infinity, bandHigh = -Infinity;
    for (let i = a; i < b; i++) {
      low = Math.min(low, level.lo[i]); high = Math.max(high, level.hi[i]);
      if (!Number.isNaN(level.bl[i])) { bandLow = Math.min(bandLow, level.bl[i]); bandHigh = Math.max(bandHigh, level.bh[i]); }
    }
    if (!(low <= high)) { low = 0; high = 1; }
    // A band that is far wider than the values would make a line of them.
    const room = Math.max(high - low, Math.abs(high) * 1e-6, 1e-9);
    low = Math.max(Math.min(low, bandLow), low - room); high = Math.min(Math.max(high, bandHigh), high + room);
    if (high <= low) high = low + 1;
    const pad = (high - low) * 0.05; low -= pad; high += pad;
    const y = (v) => bottom - ((v - low) / (high - low)) * (bottom - top);
    spans(g, x, DATA.labels, 4, bottom, C.green);
    valueAxis(g, wide, top, bottom, low + series.base, high + series.base);
    timeAxis(g, wide, height - 22, top);
    clip(g, wide, 0, bottom);
    const gap = 8 * Math.max((level.t[b - 1] - level.t[a]) / Math.max(1, b - a - 1), 1e-3);
    g.fillStyle = C.band;
    for (let i = a; i < b; ) {
      if (Number.isNaN(level.bl[i])) { i++; continue; }
      let end = i + 1;
      while (end < b && !Number.isNaN(level.bl[end]) && level.t[end] - level.t[end - 1] <= gap) end++;
      g.beginPath();
      for (let k = i; k < end; k++) g.lineTo(x(level.t[k]), y(Math.min(level.bh[k], high + room)));
      for (let k = end - 1; k >= i; k--) g.lineTo(x(level.t[k]), y(Math.max(level.bl[k], low - room)));
      g.closePath(); g.fill();
      i = end;
    }
    g.strokeStyle = C.blue; g.lineWidth = 1.2; g.beginPath();
    for (let i = a; i < b; i++) {
      const px = x(level.t[i]);
      if (i === a || level.t[i] - level.t[i - 1] > gap) g.moveTo(px, y(level.lo[i])); else g.lineTo(px, y(level.lo[i]));
      if (level.hi[i] !== level.lo[i]) g.lineTo(px, y(level.hi[i]));
    }
    g.stroke();
    spans(g, x, DATA.incidents.filter((i) => !i.planned), 4, 9, C.amber);
    spans(g, x, anomalies.filter((one) => one.series === chosen), 12, 19, C.red);
    const base = height - 26, tall = 48;
    g.restore(); clip(g, wide, bottom, height - 22); g.fillStyle = C.red;
    for (let i = a; i < b; i++) {
      if (level.s[i] === 255) continue;
      const size = (Math.min(level.s[i] / 12, 10) / 10) * tall;
      if (size > 0) { g.globalAlpha = level.s[i] >= 36 ? 1 : 0.35; g.fillRect(x(level.t[i]) - 0.5, base - size, 1.2, size); }
    }
    g.globalAlpha = 1; g.restore();
    g.textAlign = "right"; g.fillStyle = C.soft; g.fillText(num(10), LEFT - 6, base - tall); g.fillText(num(3), LEFT - 6, base - 0.3 * tall);
    g.strokeStyle = C.rule; g.beginPath(); g.moveTo(LEFT, base - 0.3 * tall); g.lineTo(wide - RIGHT, base - 0.3 * tall); g.stroke();
    document.body.dataset.drawn = String(b - a);
  };

  // Incidents in as few lanes as they need.
  const lanes = [];
  for (const one of DATA.incidents) {
    let lane = lanes.findIndex((until) => until < one.from);
    if (lane < 0) lane = lanes.push(0) - 1;
    lanes[lane] = one.to + (whole.to - whole.from) / 400;
    one.lane = Math.min(lane, 39);
  }
  const LANE = 16;
  const tall = () => 58 + LANE * Math.max(1, Math.min(lanes.length, 40));
  const drawTimeline = (g, wide, height) => {
    const x = xOf(wide), bottom = height - 22;
    timeAxis(g, wide, bottom, 4);
    clip(g, wide, 0, bottom);
    spans(g, x, DATA.labels, 4, bottom, C.green);
    g.fillStyle = C.greenLine;
    for (const one of DATA.labels) g.fillRect(x(one.from), 4, Math.max(2, x(one.to) - x(one.from)), 5);
    for (const one of DATA.incidents) {
      const y = 14 + LANE * one.lane, hit = one.impact ?? null;
      const box = (from, to, fill) => { g.fillStyle = fill; g.fillRect(x(from), y, Math.max(2, x(to) - x(from)), LANE - 5); };
      if (one.planned) box(one.from, one.to, C.rule);
      else if (hit === null) box(one.from, one.to, C.pale);
      else { if (hit > one.from) box(one.from, Math.min(hit, one.to), C.amber); box(Math.max(hit, one.from), one.to, C.red); if (hit < one.from) { g.strokeStyle = C.red; g.beginPath(); g.moveTo(x(hit), y + 5); g.lineTo(x(one.from), y + 5); g.stroke(); } }
    }
    g.fillStyle = C.blue;
    for (const one of DATA.notices) { const px = x(one.at), y = bottom - 12; g.beginPath(); g.moveTo(px, y); g.lineTo(px - 4, y + 8); g.lineTo(px + 4, y + 8); g.fill(); }
    g.restore();
  };

  const tip = el("div", { id: "tip" });
  const say = (event, text) => {
    tip.textContent = text; tip.style.display = text ? "block" : "none";
    tip.style.left = Math.min(event.clientX + 14, window.innerWidth - 340) + "px"; tip.style.top = event.clientY + 14 + "px";
  };
  const redraw = () => { for (const draw of drawers) draw(); };
  const look = (from, to) => {
    const long = Math.min(Math.max(to - from, 1), whole.to - whole.from);
    const start = Math.min(Math.max(from, whole.from), whole.to - long);
    view = { from: start, to: start + long };
    redraw();
  };
  const moves = (node, hover) => {
    const at = (event) => { const box = node.getBoundingClientRect(); return view.from + ((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)) * (view.to - view.from); };
    const zoom = (middle, by) => look(middle - (middle - view.from) * by, middle + (view.to - middle) * by);
    node.addEventListener("wheel", (event) => { event.preventDefault(); zoom(at(event), event.deltaY > 0 ? 1.25 : 0.8); }, { passive: false });
    node.addEventListener("dblclick", () => look(whole.from, whole.to));
    let held = null;
    node.addEventListener("pointerdown", (event) => { held = at(event); node.setPointerCapture(event.pointerId); });
    node.addEventListener("pointerup", () => { held = null; });
    node.addEventListener("pointermove", (event) => {
      if (held !== null) { const by = held - at(event); look(view.from + by, view.to + by); } else say(event, hover(event, at(event)));
    });
    node.addEventListener("pointerleave", (event) => say(event, ""));
    node.zoomBy = (by) => zoom((view.from + view.to) / 2, by);
    return node;
  };
  const incidentAt = (event, at) => {
    const y = event.offsetY, near = (view.to - view.from) / 300;
    return DATA.incidents.find((one) => at >= one.from - near && at <= one.to + near && y >= 14 + LANE * one.lane && y <= 14 + LANE * (one.lane + 1));
  };
  const aboutIncident = (one) => {
    const lead = one.impact === null ? "" : "\n" + (one.impact >= one.from ? w("lead") + " " + span(one.impact - one.from) : w("late") + " " + span(one.from - one.impact));
    return one.services.join(", ") + " / " + one.regions.join(", ") + "\n" + one.id + "\n" + when(one.from) + " – " + when(one.to) + (one.open ? " (" + w("open") + ")" : "")
      + "\n" + w("state") + ": " + one.state + ", " + w("severity") + ": " + one.severity + ", " + w("peak") + ": " + num(one.peak, 3) + lead + (one.planned ? "\n" + w("planned") : "") + "\n" + one.reason;
  };
  const aboutPoint = (at) => {
    const series = DATA.series[chosen];
    if (!series) return "";
    const level = visible(series, 1000).level, i = Math.max(0, Math.min(level.t.length - 1, firstAtOrAfter(level.t, at)));
    const value = (v) => num(v + series.base, 6);
    let text = when(level.t[i]) + "\n" + (level.lo[i] === level.hi[i] ? value(level.lo[i]) : value(level.lo[i]) + " – " + value(level.hi[i]));
    if (!Number.isNaN(level.bl[i])) text += "\n" + w("band") + ": " + value(level.bl[i]) + " – " + value(level.bh[i]);
    if (level.s[i] !== 255) text += "\n" + w("top") + ": " + num(level.s[i] / 12, 3);
    return text;
  };

  // Curves.
  const frame = (g, wide, height, xs, xWord, yWord) => {
    const top = 10, bottom = height - 44, right = wide - RIGHT;
    valueAxis(g, wide, top, bottom, 0, 1);
    g.textAlign = "center"; g.fillStyle = C.soft;
    for (const [part, text] of xs) { g.textAlign = part === 1 ? "right" : "center"; g.fillText(text, LEFT + part * (right - LEFT), bottom + 12); }
    g.textAlign = "center";
    g.fillText(xWord, (LEFT + right) / 2, bottom + 30);
    g.save(); g.translate(12, (top + bottom) / 2); g.rotate(-Math.PI / 2); g.fillText(yWord, 0, 0); g.restore();
    return { x: (part) => LEFT + part * (right - LEFT), y: (part) => bottom - part * (bottom - top) };
  };
  const drawCurve = (points, word) => (g, wide, height) => {
    const used = points.filter((p) => p.per_day !== null);
    const most = Math.max(...used.map((p) => p.per_day), 1e-9), least = Math.min(...used.map((p) => p.per_day), most);
    const log = most / Math.max(least, 1e-9) > 30;
    const part = (v) => (log ? Math.log(v / least) / Math.log(most / least) : v / most);
    const marks = [0, 0.25, 0.5, 0.75, 1].map((p) => [p, num(log ? least * Math.pow(most / least, p) : p * most, 3)]);
    const { x, y } = frame(g, wide, height, marks, w(word), "");
    for (const [key, colour] of [["precision", C.blue], ["recall", C.red]]) {
      g.strokeStyle = colour; g.fillStyle = colour; g.lineWidth = 1.6; g.beginPath();
      for (const p of used) if (p[key] !== null) g.lineTo(x(part(p.per_day)), y(p[key]));
      g.stroke();
      for (const p of used) if (p[key] !== null) { g.beginPath(); g.arc(x(part(p.per_day)), y(p[key]), 2.5, 0, 7); g.fill(); }
    }
  };
  const drawReliability = (g, wide, height) => {
    const marks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((p) => [p, num(p)]);
    const { x, y } = frame(g, wide, height, marks, w("said"), w("came"));
    g.strokeStyle = C.soft; g.setLineDash([4, 3]); g.beginPath(); g.moveTo(x(0), y(0)); g.lineTo(x(1), y(1)); g.stroke(); g.setLineDash([]);
    g.textAlign = "center";
    for (const bin of DATA.bins) {
      if (!bin.count) continue;
      const px = x(bin.sum / bin.count), py = y(bin.came / bin.count);
      g.fillStyle = C.blue; g.beginPath(); g.arc(px, py, 3 + Math.min(9, Math.sqrt(bin.count)), 0, 7); g.fill();
      g.fillStyle = C.soft; g.fillText(num(bin.count), px, py > 40 ? py - 18 : py + 20);
    }
  };

  // The page.
  const figureRow = (figure) => {
    const value = figure.value === null ? w("none") : figure.unit === "seconds" ? span(figure.value) : figure.unit === "share" && figure.name !== "brier" ? num(100 * figure.value, 3) + " %" : num(figure.value);
    const plain = figure.name.replace(/^anomaly_/, "");
    const of = figure.of === null ? "" : num(figure.of) + " " + (WORDS[lang].whats[figure.what] || figure.what);
    return el("tr", {}, el("td", {}, WORDS[lang].names[plain] || plain.replaceAll("_", " ")), el("td", { class: "n" }, value), el("td", { class: "soft" }, of));
  };
  const figureTable = (all) => el("table", {}, el("tr", {}, el("th", {}, w("figure")), el("th", { class: "n" }, w("value")), el("th", {}, w("denominator"))), ...all.map(figureRow));
  const isAnomaly = (figure) => figure.name.startsWith("anomal");
  const legend = (...all) => el("div", { class: "key" }, ...all.map(([colour, word]) => el("span", {}, el("i", { style: "background:" + colour }), w(word))));
  const show = () => {
    drawers = [];
    document.documentElement.lang = lang; document.documentElement.dir = lang === "fa" ? "rtl" : "ltr";
    document.title = w("title");
    const about = DATA.about, parts = [];
    parts.push(el("header", {}, el("h1", {}, w("title")), el("button", { onclick: () => { lang = lang === "fa" ? "en" : "fa"; show(); } }, w("other"))));
    parts.push(el("p", {}, num(about.rows, 12) + " " + w("rows") + " " + w("of") + " " + num(about.series) + " " + w("series") + " (" + num(about.bad, 12) + " " + w("unread") + ") · " + when(about.from) + " – " + when(about.to) + " · ",
      el("small", {}, w("version") + " " + about.version + " · " + w("settings") + " ", el("bdi", {}, about.digest.slice(0, 12))), " · " + w("utc")));
    if (!about.complete) parts.push(el("p", { class: "warn" }, w("partial")));
    if (DATA.verdicts.length) {
      parts.push(el("h2", {}, w("asserted")), el("table", {}, ...DATA.verdicts.map((v) => el("tr", {}, el("td", { class: v.holds ? "good" : "bad" }, (v.holds ? "✔ " : "✘ ") + w(v.holds ? "holds" : "fails")),
        el("td", { class: "ltr" }, v.text), el("td", {}, v.value === null ? v.why : w("itis") + " " + num(v.value))))));
    }
    parts.push(el("h2", {}, w("timeline")));
    const line = moves(sheet(tall(), drawTimeline), (event, at) => { const one = incidentAt(event, at); return one ? aboutIncident(one) : ""; });
    parts.push(DATA.incidents.length ? legend([C.amber, "leadKey"], [C.red, "hitKey"], [C.pale, "notHit"], [C.greenLine, "labelKey"], [C.blue, "noticeKey"]) : el("p", {}, w("noIncidents")), line);
    if (DATA.series.length) {
      const picture = moves(sheet(360, drawSeries), (event, at) => aboutPoint(at));
      const pick = el("select", { onchange: (event) => { chosen = Number(event.target.value); note(); redraw(); }, class: "ltr", "aria-label": w("pick") },
        ...DATA.series.map((s, n) => el("option", { value: n, ...(n === chosen ? { selected: "" } : {}) }, s.name)));
      const small = el("small");
      const note = () => { const most = DATA.series[chosen].most; small.textContent = w("help") + (most > 1 ? " · " + w("step").replace("{n}", num(most)) : ""); };
      note();
      const go = (n) => { chosen = n; pick.value = String(n); note(); redraw(); picture.scrollIntoView({ block: "center" }); };
      parts.push(el("h2", {}, w("pick")), el("div", { class: "bar ctl" }, pick, el("button", { onclick: () => picture.zoomBy(0.5) }, "+"), el("button", { onclick: () => picture.zoomBy(2) }, "−"),
        el("button", { onclick: () => look(whole.from, whole.to) }, w("all")), small), legend([C.blue, "line"], [C.band, "band"], [C.red, "anomalyKey"], [C.amber, "timeline"], [C.greenLine, "labelKey"], [C.red, "scoreKey"]), picture);
      const rows = DATA.series.slice(0, 20).map((s, n) => el("tr", {}, el("td", { class: "go ltr", onclick: () => go(n) }, s.name), el("td", { class: "n" }, num(s.anomalies)),
        el("td", { class: "n" }, num(s.loud, 12) + (s.scored ? " (" + num((100 * s.loud) / s.scored, 2) + " %)" : "")), el("td", { class: "n" }, num(s.top, 3))));
      parts.push(el("h2", {}, w("noisy")), el("table", {}, el("tr", {}, el("th", {}, w("pick")), el("th", { class: "n" }, w("anomalies")), el("th", { class: "n" }, w("loud")), el("th", { class: "n" }, w("top"))), ...rows));
      if (about.series > DATA.series.length) parts.push(el("p", { class: "soft" }, w("more").replace("{n}", num(about.series - DATA.series.length))));
    }
    parts.push(el("h2", {}, w("figures")), figureTable(DATA.figures.filter((f) => !isAnomaly(f))));
    parts.push(el("details", {}, el("summary", {}, w("anomalyFigures")), figureTable(DATA.figures.filter(isAnomaly))));
    parts.push(el("h2", {}, w("budget")));
    if (about.labels) {
      const [incidents, told] = DATA.curves, two = el("div", { class: "two" });
      if (incidents.length) two.append(el("div", {}, sheet(240, drawCurve(incidents, "perDayIncidents"), true)));
      if (told.length) two.append(el("div", {}, sheet(240, drawCurve(told, "perDayAnomalies"), true)));
      parts.push(legend([C.blue, "precision"], [C.red, "recall"]), two);
    } else parts.push(el("p", { class: "soft" }, w("noLabels")));
    parts.push(el("h2", {}, w("reliability")));
    if (DATA.bins.some((bin) => bin.count)) parts.push(el("p", { class: "soft" }, w(DATA.by_labels ? "byLabels" : "byRun")), el("div", { style: "max-width:560px" }, sheet(280, drawReliability, true)));
    else parts.push(el("p", { class: "soft" }, w("noPredictions")));
    root.replaceChildren(...parts, tip);
    redraw();
    document.body.dataset.ready = lang;
  };
  window.addEventListener("resize", redraw);
  window.addEventListener("beforeprint", redraw);
  document.addEventListener("keydown", (event) => {
    const by = 0.2 * (view.to - view.from);
    if (event.target.tagName === "SELECT") return;
    if (event.key === "ArrowLeft") look(view.from - by, view.to - by);
    if (event.key === "ArrowRight") look(view.from + by, view.to + by);
    if (event.key === "+") look(view.from + by, view.to - by);
    if (event.key === "-") look(view.from - by, view.to + by);
  });
  show();
})();
