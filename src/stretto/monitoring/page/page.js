"use strict";
// The interactive chart: it only draws what the page's data say. Rows are windowed, so ten thousand are as fast as five.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { total, marks, bottleneck_share: share } = data;
  const ROW = 24, LINE = 28, OVER = 8;
  const $ = (id) => document.getElementById(id);
  const make = (tag, kind, text) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const rows = data.rows.map((row, index) => ({
    index, path: row[0], label: row[1], depth: row[2], parent: row[3], kind: row[4], mark: row[5], start: row[6],
    end: row[7], duration: row[8], queued: row[9], critical: !!(row[10] & 1), bottleneck: !!(row[10] & 2),
    foldable: !!(row[10] & 4), own: !!(row[10] & 16), bars: row[11], captions: row[12], more: row[13] || {}, last: index,
  }));
  for (let i = rows.length - 1; i >= 0; i--) {
    const above = rows[rows[i].parent];
    if (above) above.last = Math.max(above.last, rows[i].last);
  }
  for (const row of rows) {
    row.text = [row.path, row.label, row.kind, marks[row.mark].word, row.more.error || ""].join(" ").toLowerCase();
    row.wrong = ["failed", "timed_out", "abandoned"].includes(row.mark);
  }
  const folded = new Set(data.rows.map((row, i) => (row[10] & 8 ? i : -1)).filter((i) => i >= 0));
  const state = { from: 0, to: total || 1, query: "", wrong: false, critical: false, on: -1, shown: [], sort: "start", down: false, first: true };

  // --- words -------------------------------------------------------------------------------------------------------
  const two = (value) => String(value).padStart(2, "0");
  const duration = (s) => {
    if (!(s > 0)) return "0 s";
    if (s < 0.0009995) return `${Math.max(1, Math.round(s * 1e6))} µs`;
    if (s < 0.9995) return s < 0.00995 ? `${(s * 1e3).toFixed(1)} ms` : `${(s * 1e3).toFixed(0)} ms`;
    if (s < 59.95) return s < 9.995 ? `${s.toFixed(2)} s` : `${s.toFixed(1)} s`;
    const whole = Math.round(s);
    if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
    return `${Math.floor(whole / 86400)} d ${two(Math.floor((whole % 86400) / 3600))} h`;
  };
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const decimal = (least) => {
    const power = 10 ** Math.floor(Math.log10(least));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * (1 - 1e-9));
  };
  const stepOf = (least) => (least > 86400 ? 86400 * decimal(least / 86400) : least > 0.5 ? STEPS.find((s) => s >= least) : decimal(least));
  const tickLabel = (at, step, until) => {
    if (Math.abs(at) < step / 1e6) return "0";
    if (until >= 172800 && step >= 86400) return `${Math.round(at / 86400)} d`;
    if (until >= 7200 && step >= 60) return `${Math.floor(at / 3600)}:${two(Math.floor((at % 3600) / 60))} h`;
    if (until >= 180 && step >= 1) return `${Math.floor(at / 60)}:${two(Math.floor(at % 60))} m`;
    const [size, unit] = until >= 0.9995 ? [1, "s"] : until >= 0.0009995 ? [1e-3, "ms"] : [1e-6, "µs"];
    return `${(at / size).toFixed(Math.min(9, Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9))))} ${unit}`;
  };
  const captionOf = (row) => row.captions || [duration(row.duration)];

  // --- which rows --------------------------------------------------------------------------------------------------
  const matches = (row) => (!state.query || row.text.includes(state.query)) && (!state.wrong || row.wrong);
  const choose = () => {
    const filtered = state.query || state.wrong;
    let keep = null;
    if (filtered) {
      keep = new Set();
      for (const row of rows) {
        if (!row.own || !matches(row)) continue;
        for (let at = row.index; at >= 0 && !keep.has(at); at = rows[at].parent) keep.add(at);
      }
    }
    const shown = [];
    for (let i = 0; i < rows.length; i++) {
      if (keep && !keep.has(i)) continue;
      shown.push(i);
      if (!keep && folded.has(i)) i = rows[i].last;
    }
    state.shown = shown;
    const found = filtered ? rows.reduce((sum, row) => sum + (row.own && matches(row) ? 1 : 0), 0) : 0;
    const spans = data.spans.toLocaleString("en");
    $("shown").textContent = filtered ? `${found.toLocaleString("en")} of ${spans} steps match` : `${spans} steps in ${shown.length.toLocaleString("en")} rows`;
  };

  // --- a window on many rows ---------------------------------------------------------------------------------------
  const windowed = (box, height, head, draw) => {
    const space = make("div", "space");
    const pool = new Map();
    box.append(space);
    return (count, fresh) => {
      space.style.height = `${count * height + head}px`;
      const first = Math.max(0, Math.floor(box.scrollTop / height) - OVER);
      const last = Math.min(count, Math.ceil((box.scrollTop + box.clientHeight) / height) + OVER);
      for (const [at, row] of pool) if (fresh || at < first || at >= last) { row.remove(); pool.delete(at); }
      for (let at = first; at < last; at++) {
        if (pool.has(at)) continue;
        const row = draw(at);
        row.style.transform = `translateY(${at * height + head}px)`;
        row.classList.toggle("odd", at % 2 === 1);
        pool.set(at, row);
        box.append(row);
      }
    };
  };

  // --- one row of the timeline -------------------------------------------------------------------------------------
  const box = $("rows");
  box.replaceChildren();
  const MARGIN = 78; // room to the right of the longest bar, for what is said beside it
  let wide = 1;
  const width = () => wide;
  const end = () => ((total || 1) * width()) / Math.max(1, width() - MARGIN);
  const measure = () => {
    const whole = state.to >= end() * (1 - 1e-9) && state.from === 0;
    wide = Math.max(60, $("axis").parentElement.clientWidth - $("axis").offsetLeft - (innerWidth < 760 ? 8 : 16) - (box.offsetWidth - box.clientWidth));
    $("axis").style.width = $("map").style.width = `${wide}px`;
    if (whole || state.first) { state.first = false; state.to = end(); }
  };
  const x = (at) => ((at - state.from) / (state.to - state.from)) * width();
  const piece = (track, kind, from, to, least) => {
    const left = Math.max(-20, x(from)), right = Math.min(width() + 20, Math.max(x(to), x(from) + least));
    if (right < -10 || left > width() + 10) return null;
    const made = make("i", kind);
    made.style.left = `${left}px`;
    made.style.width = `${Math.max(least, right - left)}px`;
    track.append(made);
    return made;
  };
  const profile = (track, row) => {
    const many = Math.max(20, Math.min(600, Math.floor(width() / 2))), slot = (state.to - state.from) / many;
    const busy = new Float64Array(many), faults = [];
    for (let i = row.index + 1; i <= row.last; i++) {
      const one = rows[i];
      if (one.foldable || one.start === null) continue;
      if (one.wrong && faults.length < 400) faults.push(one.end);
      const low = (one.start - state.from) / slot, high = (Math.max(one.end, one.start + slot / 20) - state.from) / slot;
      const end = Math.min(many - 1, Math.floor(high));
      for (let at = Math.max(0, Math.floor(low)); at <= end; at++) busy[at] += Math.min(high, at + 1) - Math.max(low, at);
    }
    const most = Math.max(...busy) || 1;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${many} 18`);
    svg.setAttribute("preserveAspectRatio", "none");
    let area = "M0 18", lines = "";
    busy.forEach((value, at) => { area += `V${value > 0 ? (18 - Math.max(1.5, 17 * value / most)).toFixed(1) : 18}H${at + 1}`; });
    for (const fault of faults) lines += `M${((fault - state.from) / slot).toFixed(2)} 0V18`;
    const draw = (path, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", "path");
      made.setAttribute("d", path);
      for (const [name, value] of Object.entries(attributes)) made.style.setProperty(name, value);
      svg.append(made);
    };
    draw(`${area}V18Z`, { fill: `var(--${marks[row.more.fill || row.mark].colour})` });
    if (lines) draw(lines, { stroke: "var(--error)", "stroke-width": "2px", "vector-effect": "non-scaling-stroke" });
    track.append(svg);
  };
  const caption = (track, row, from, to) => {
    const texts = captionOf(row), room = width();
    const kind = row.bottleneck ? "said c-crit" : row.mark === "completed" ? "said" : `said c-${marks[row.mark].colour}`;
    const said = make("span", kind);
    const put = (text, side, at) => { said.textContent = text; said.style[side] = `${at}px`; track.append(said); };
    const left = Math.max(0, x(from)), right = Math.min(room, Math.max(x(to), x(from) + 3));
    if (x(to) < -2 || x(from) > room + 2) return;
    for (const text of texts) {
      const size = text.length * 6.8 + 8;
      if (right + 6 + size <= room) return put(text, "left", right + 6);
      if (left - 6 - size >= 0) return put(text, "right", room - left + 6);
    }
    said.classList.add("inside");
    put(texts[texts.length - 1], "right", 6);
  };
  const label = (row) => {
    const words = [row.label, row.kind, marks[row.mark].word];
    if (row.start !== null) words.push(duration(row.duration));
    if (row.critical) words.push("on the critical path");
    if (row.bottleneck) words.push(`bottleneck, ${Math.round(share * 100)} % of the total`);
    return words.filter(Boolean).join(", ");
  };
  const drawName = (row, open) => {
    const name = make("div", `name${row.foldable ? " many" : ""}${row.start === null ? " none" : ""}`);
    name.setAttribute("role", "gridcell");
    name.style.paddingLeft = `${8 + Math.min(row.depth, 8) * (innerWidth < 760 ? 8 : 14)}px`;
    const twist = make("button", "twist", row.foldable ? (open ? "▾" : "▸") : "");
    twist.type = "button";
    twist.tabIndex = -1;
    if (row.foldable) { twist.dataset.twist = "1"; twist.setAttribute("aria-label", `${open ? "Fold" : "Unfold"} ${row.label}`); }
    else { twist.disabled = true; twist.setAttribute("aria-hidden", "true"); }
    const sign = make("b", `c-${marks[row.mark].colour}`, marks[row.mark].sign);
    const text = make("span", "text");
    const at = state.query ? row.label.toLowerCase().indexOf(state.query) : -1;
    if (at >= 0) text.append(row.label.slice(0, at), make("span", "hit", row.label.slice(at, at + state.query.length)), row.label.slice(at + state.query.length));
    else text.textContent = row.label;
    name.append(twist, sign, text);
    return name;
  };
  const drawRow = (at) => {
    const row = rows[state.shown[at]], colour = `c-${marks[row.mark].colour}`;
    const open = row.foldable && (!folded.has(row.index) || !!state.query || state.wrong);
    const drawn = make("div", "row");
    drawn.id = `r${row.index}`;
    drawn.dataset.at = at;
    drawn.setAttribute("role", "row");
    drawn.setAttribute("aria-level", row.depth + 1);
    drawn.setAttribute("aria-rowindex", at + 1);
    drawn.setAttribute("aria-label", label(row));
    drawn.setAttribute("aria-selected", row.index === state.on);
    if (row.foldable) drawn.setAttribute("aria-expanded", open);
    drawn.classList.toggle("on", row.index === state.on);
    drawn.classList.toggle("dim", state.critical && !row.critical);
    const track = make("div", "track");
    track.setAttribute("role", "gridcell");
    for (const tick of state.ticks) { const line = make("i", "grid"); line.style.left = `${x(tick)}px`; track.append(line); }
    if (row.start === null) {
      const text = captionOf(row)[0], said = make("span", `said ${colour}`, text);
      said.style.left = "6px";
      track.append(said);
    } else {
      if (row.queued > 0) piece(track, "queue", row.start - row.queued, row.start, 1);
      if (row.foldable && !open) profile(track, row);
      else if (row.foldable) piece(track, `span ${colour}`, row.start, row.end, 3);
      else {
        const bars = row.bars || [[row.start, row.end, row.mark]];
        if (bars.length > 1) piece(track, "pause", row.start, row.end, 3);
        for (const [from, to, mark] of bars) piece(track, `bar m-${mark} c-${marks[mark].colour}${row.critical ? " crit" : ""}`, from, to, 3);
      }
      caption(track, row, row.queued > 0 ? row.start - row.queued : row.start, row.end);
    }
    drawn.append(drawName(row, open), track);
    return drawn;
  };
  const window1 = windowed(box, ROW, 0, drawRow);

  // --- axis and map ------------------------------------------------------------------------------------------------
  const drawAxis = () => {
    const axis = $("axis"), span = state.to - state.from;
    const step = stepOf(span / Math.max(2, Math.floor(width() / 74)));
    state.ticks = [];
    axis.replaceChildren();
    for (let at = Math.ceil(state.from / step - 1e-9) * step; at <= state.to; at += step) {
      state.ticks.push(at);
      const mark = make("span", "", x(at) + 44 < width() ? tickLabel(at, step, Math.max(total, step)) : "");
      mark.style.left = `${x(at)}px`;
      axis.append(mark);
    }
  };
  const ground = document.createElement("canvas");
  const drawGround = (across, high, ratio, colour) => {
    const key = [across, high, ratio, colour("bg-0")].join();
    if (ground.dataset.key === key) return;
    ground.dataset.key = key;
    ground.width = across * ratio;
    ground.height = high * ratio;
    const pen = ground.getContext("2d"), leaves = rows.filter((row) => row.own && !row.foldable && row.start !== null);
    const at = (seconds) => (seconds / end()) * across;
    pen.scale(ratio, ratio);
    if (leaves.length <= 60) {
      const line = Math.min(4, (high - 8) / Math.max(1, leaves.length));
      leaves.forEach((row, index) => {
        pen.fillStyle = colour(marks[row.mark].colour);
        pen.fillRect(at(row.start), 4 + index * line, Math.max(1, at(row.end - row.start)), Math.max(0.5, line * 0.8));
      });
      return;
    }
    const busy = new Float64Array(across + 2); // so many that only how busy it was can be seen
    for (const row of leaves) { busy[Math.floor(at(row.start))] += 1; busy[Math.floor(at(row.end)) + 1] -= 1; }
    for (let i = 1; i < busy.length; i++) busy[i] += busy[i - 1];
    const most = Math.max(...busy);
    pen.fillStyle = colour("completed");
    busy.forEach((value, i) => pen.fillRect(i, high - 3 - ((high - 8) * value) / most, 1, ((high - 8) * value) / most));
    pen.fillStyle = colour("error");
    for (const row of leaves) if (row.wrong) pen.fillRect(at(row.end) - 1, 3, 2, high - 6);
  };
  const drawMap = () => {
    const map = $("map"), ratio = devicePixelRatio || 1, across = map.clientWidth, high = map.clientHeight;
    if (!across) return;
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(`--${name}`).trim();
    drawGround(across, high, ratio, colour);
    map.width = across * ratio;
    map.height = high * ratio;
    const pen = map.getContext("2d");
    pen.drawImage(ground, 0, 0);
    pen.scale(ratio, ratio);
    const left = (state.from / end()) * across, right = (state.to / end()) * across;
    pen.globalAlpha = 0.65;
    pen.fillStyle = colour("bg-0");
    pen.fillRect(0, 0, left, high);
    pen.fillRect(right, 0, across - right, high);
    pen.globalAlpha = 1;
    pen.strokeStyle = colour("accent");
    pen.lineWidth = 2;
    pen.strokeRect(left + 1, 1, Math.max(2, right - left - 2), high - 2);
  };

  // --- drawing -----------------------------------------------------------------------------------------------------
  let asked = 0;
  const draw = (fresh = true) => {
    if (asked === 0) requestAnimationFrame(() => {
      const all = asked === 2;
      asked = 0;
      if (!$("chart").hidden) {
        if (all) { measure(); drawAxis(); drawMap(); }
        window1(state.shown.length, all);
        box.setAttribute("aria-rowcount", state.shown.length);
      } else if (!$("table").hidden) window2(sorted.length, all);
    });
    asked = Math.max(asked, fresh ? 2 : 1);
  };
  const look = (from, to) => {
    const least = Math.max(total / 1e6, 1e-7), span = Math.min(end(), Math.max(least, to - from));
    state.from = Math.max(0, Math.min(end() - span, from));
    state.to = state.from + span;
    draw();
  };
  const zoom = (factor, at = (state.from + state.to) / 2) => look(at - (at - state.from) * factor, at + (state.to - at) * factor);
  const pan = (share) => look(state.from + (state.to - state.from) * share, state.to + (state.to - state.from) * share);
  const timeAt = (event) => state.from + ((event.clientX - $("axis").getBoundingClientRect().left) / width()) * (state.to - state.from);

  // --- details -----------------------------------------------------------------------------------------------------
  const factsOf = (row) => [
    ["Path", row.path || row.label], ["Kind", row.kind],
    ["Queued", row.queued ? duration(row.queued) : ""], ["Started", row.start === null ? "" : `${duration(row.start)} into the run`],
    ["Duration", row.start === null ? "" : `${duration(row.duration)}${total ? ` (${Math.round((row.duration / total) * 100)} % of the total)` : ""}`],
    ["Attempts", row.more.attempts ? String(row.more.attempts) : ""], ["Output from", row.more.source || ""],
    ["Progress", row.more.progress || ""], ["Why", row.more.reason || ""], ["Asks", row.more.question || ""],
    ["Within", row.foldable ? `${row.more.within.toLocaleString("en")} steps` : ""], ["Contains", row.more.tally || ""],
  ].filter(([, value]) => value);
  const select = (index, reveal = true) => {
    state.on = index;
    const pane = $("detail"), row = rows[index];
    pane.hidden = !row;
    if (row) {
      const head = make("div", "head"), list = make("dl"), close = make("button", "", "Close");
      close.type = "button";
      close.addEventListener("click", () => { select(-1); box.focus(); });
      head.append(make("h2", "", row.label), make("span", `badge c-${marks[row.mark].colour}`, `${marks[row.mark].sign} ${marks[row.mark].word}`));
      if (row.critical) head.append(make("span", "badge c-crit", row.bottleneck ? "bottleneck" : "critical path"));
      head.append(make("span", "grow"), close);
      for (const [name, value] of factsOf(row)) { const pair = make("div"); pair.append(make("dt", "", name), make("dd", "", value)); list.append(pair); }
      pane.replaceChildren(head, list);
      if (row.more.error) pane.append(make("pre", "", row.more.error));
      if (row.more.messages) pane.append(make("pre", "", row.more.messages));
      box.setAttribute("aria-activedescendant", `r${index}`);
    } else box.removeAttribute("aria-activedescendant");
    if (row && reveal && !$("chart").hidden) {
      for (let at = row.parent; at >= 0; at = rows[at].parent) folded.delete(at);
      choose();
      requestAnimationFrame(() => {
        const top = state.shown.indexOf(index) * ROW;
        if (top < box.scrollTop) box.scrollTop = top;
        else if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
      });
    }
    draw();
  };
  const tip = $("tip");
  const point = (event) => {
    const row = rows[state.shown[event.target.closest?.(".row")?.dataset.at]];
    tip.hidden = !row || state.dragging;
    if (tip.hidden) return;
    tip.replaceChildren(make("b", "", row.label));
    for (const [name, value] of [["Status", marks[row.mark].word], ...factsOf(row)]) tip.append(make("span", "", `${name}: ${value}`));
    if (row.more.error) tip.append(make("span", "c-error", row.more.error.slice(0, 300)));
    const size = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - size.width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + size.height > innerHeight ? Math.max(8, event.clientY - size.height - 10) : event.clientY + 18}px`;
  };

  // --- the table and the figures -----------------------------------------------------------------------------------
  const COLUMNS = [["status", "Status", ""], ["path", "Step", ""], ["kind", "Kind", "wide"], ["start", "Started", "n wide"], ["duration", "Duration", "n"], ["queued", "Queued", "n"], ["attempts", "Attempts", "n wide"]];
  const value = (row, name) => (name === "status" ? row.mark : name === "attempts" ? row.more.attempts || (row.start === null ? 0 : 1) : row[name]);
  let sorted = [];
  const order = () => {
    const turn = state.down ? -1 : 1;
    sorted = rows.filter((row) => row.own && matches(row));
    sorted.sort((a, b) => {
      const p = value(a, state.sort), q = value(b, state.sort);
      return p === q ? a.index - b.index : p === null ? 1 : q === null ? -1 : (p < q ? -1 : 1) * turn;
    });
    $("cells").setAttribute("aria-rowcount", sorted.length + 1);
    const top = make("div", "line top");
    top.setAttribute("role", "row");
    for (const [name, word, kind] of COLUMNS) {
      const cell = make("span", kind), button = make("button", "", word + (state.sort === name ? (state.down ? " ↓" : " ↑") : ""));
      button.type = "button";
      cell.setAttribute("role", "columnheader");
      cell.setAttribute("aria-sort", state.sort !== name ? "none" : state.down ? "descending" : "ascending");
      button.addEventListener("click", () => {
        state.down = state.sort === name ? !state.down : ["duration", "queued", "attempts"].includes(name);
        state.sort = name;
        order();
        draw();
        $("cells").querySelectorAll(".top button")[COLUMNS.findIndex((column) => column[0] === name)].focus();
      });
      cell.append(button);
      top.append(cell);
    }
    $("cells").querySelector(".top")?.remove();
    $("cells").prepend(top);
  };
  const drawLine = (at) => {
    const row = sorted[at], drawn = make("div", "line"), look = marks[row.mark];
    drawn.dataset.index = row.index;
    drawn.setAttribute("role", "row");
    drawn.setAttribute("aria-rowindex", at + 2);
    drawn.classList.toggle("on", row.index === state.on);
    const texts = [null, row.path, row.kind, row.start === null ? "" : row.start ? duration(row.start) : "0 s", row.start === null ? "" : duration(row.duration), row.queued ? duration(row.queued) : "", String(value(row, "attempts"))];
    COLUMNS.forEach(([, , kind], column) => {
      const cell = make("span", kind, texts[column] ?? undefined);
      if (!column) { cell.className = `c-${look.colour}`; cell.append(`${look.sign} `, make("span", "word", look.word)); }
      if (column === 1) cell.title = row.path;
      cell.setAttribute("role", "cell");
      drawn.append(cell);
    });
    return drawn;
  };
  const window2 = windowed($("cells"), LINE, 0, drawLine);
  const drawFacts = () => {
    const list = (title, chosen, measure) => {
      const part = make("div"), items = make("ol");
      for (const row of chosen) {
        const item = make("li"), button = make("button");
        button.type = "button";
        button.append(make("b", `c-${marks[row.mark].colour}`, marks[row.mark].sign), make("span", "p", `\u2066${row.path}\u2069`), make("span", "n", measure(row)));
        button.title = row.path;
        button.addEventListener("click", () => { show("chart"); select(row.index); });
        item.append(button);
        items.append(item);
      }
      part.append(make("h2", "", title), chosen.length ? items : make("p", "empty", "none"));
      return part;
    };
    const leaves = rows.filter((row) => row.own && !row.foldable && row.start !== null);
    const top = (name) => leaves.filter((row) => row[name] > 0).sort((a, b) => b[name] - a[name]).slice(0, 10);
    const facts = make("div"), pairs = make("dl");
    for (const [name, text] of data.figures) pairs.append(make("dt", "", name), make("dd", "", text));
    facts.append(make("h2", "", "Figures"), pairs);
    const path = leaves.filter((row) => row.critical).sort((a, b) => a.start - b.start);
    const many = path.length > 200 ? `, the first 200 of ${path.length.toLocaleString("en")}` : "";
    $("facts").replaceChildren(
      facts, list(`Critical path${many}`, path.slice(0, 200), (row) => duration(row.duration)),
      list("Longest", top("duration"), (row) => duration(row.duration)), list("Longest in the queue", top("queued"), (row) => duration(row.queued)),
      list("Failures", rows.filter((row) => row.own && row.wrong).slice(0, 50), (row) => duration(row.duration)),
    );
  };

  // --- what the reader does ----------------------------------------------------------------------------------------
  const VIEWS = ["chart", "table", "facts"];
  const show = (name) => {
    for (const view of VIEWS) {
      $(view).hidden = view !== name;
      $(`tab-${view}`).setAttribute("aria-selected", view === name);
      $(`tab-${view}`).tabIndex = view === name ? 0 : -1;
    }
    document.querySelectorAll(".of-chart").forEach((part) => { part.hidden = name !== "chart"; });
    tip.hidden = true;
    if (name === "table") order();
    if (name === "facts") drawFacts();
    draw();
  };
  VIEWS.forEach((view, at) => {
    $(`tab-${view}`).addEventListener("click", () => show(view));
    $(`tab-${view}`).addEventListener("keydown", (event) => {
      const turn = { ArrowRight: 1, ArrowLeft: 2 }[event.key];
      if (!turn) return;
      show(VIEWS[(at + turn) % 3]);
      $(`tab-${VIEWS[(at + turn) % 3]}`).focus();
    });
  });
  const refilter = () => {
    state.query = $("filter").value.trim().toLowerCase();
    state.wrong = $("wrong").checked;
    choose();
    if (!$("table").hidden) order();
    box.scrollTop = 0;
    draw();
  };
  const toggle = (index) => { if (!folded.delete(index)) folded.add(index); choose(); draw(); };
  const foldAll = (fold) => {
    folded.clear();
    if (fold) for (const row of rows) if (row.foldable) folded.add(row.index);
    choose();
    draw();
  };
  const wheel = (event) => {
    const turn = event.deltaY || event.deltaX;
    if (event.ctrlKey || event.metaKey || event.currentTarget !== box) { event.preventDefault(); zoom(Math.exp(turn * 0.002), timeAt(event)); }
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) { event.preventDefault(); pan((event.deltaX || turn) / width()); }
  };
  for (const part of [box, $("axis"), $("map")]) part.addEventListener("wheel", wheel, { passive: false });
  const dragged = (part, move) => part.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("button") || (part === box && !event.target.closest(".track"))) return;
    const begun = { x: event.clientX, from: state.from, to: state.to };
    const moved = (next) => {
      if (!state.dragging && Math.abs(next.clientX - begun.x) < 4) return;
      state.dragging = true;
      tip.hidden = true;
      move(next, begun);
    };
    const ended = () => {
      removeEventListener("pointermove", moved);
      removeEventListener("pointerup", ended);
      removeEventListener("pointercancel", ended);
      setTimeout(() => { state.dragging = false; });
    };
    addEventListener("pointermove", moved);
    addEventListener("pointerup", ended);
    addEventListener("pointercancel", ended);
  });
  const slide = (next, begun) => { const by = ((begun.x - next.clientX) / width()) * (begun.to - begun.from); look(begun.from + by, begun.to + by); };
  dragged(box, slide);
  dragged($("axis"), slide);
  dragged($("map"), (next, begun) => {
    const rect = $("map").getBoundingClientRect(), at = (client) => Math.max(0, Math.min(1, (client - rect.left) / rect.width)) * end();
    look(Math.min(at(begun.x), at(next.clientX)), Math.max(at(begun.x), at(next.clientX)));
  });
  box.addEventListener("scroll", () => { tip.hidden = true; draw(false); });
  $("cells").addEventListener("scroll", () => draw(false));
  box.addEventListener("pointermove", point);
  box.addEventListener("pointerleave", () => { tip.hidden = true; });
  box.addEventListener("click", (event) => {
    const at = event.target.closest(".row")?.dataset.at;
    if (at === undefined || state.dragging) return;
    if (event.target.dataset.twist) toggle(state.shown[at]);
    else select(state.shown[at]);
  });
  box.addEventListener("dblclick", (event) => {
    const row = rows[state.shown[event.target.closest(".row")?.dataset.at]];
    if (row && row.start !== null) look(row.start - (row.end - row.start) * 0.1, row.end + (row.end - row.start) * 0.1);
  });
  $("cells").addEventListener("click", (event) => { const index = event.target.closest(".line")?.dataset.index; if (index !== undefined) select(Number(index)); });
  const move = (by) => {
    const at = state.shown.indexOf(state.on);
    const to = Math.max(0, Math.min(state.shown.length - 1, at < 0 ? 0 : at + by));
    if (state.shown.length) select(state.shown[to]);
  };
  const nextWrong = () => {
    const wrong = rows.filter((row) => row.wrong && !row.foldable && row.own);
    const next = wrong.find((row) => row.index > state.on) || wrong[0];
    if (next) select(next.index);
  };
  const page = () => Math.max(1, Math.floor(box.clientHeight / ROW) - 1);
  const KEYS = {
    "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1 / 0.7), "0": () => look(0, end()), a: () => pan(-0.2), d: () => pan(0.2),
    f: () => $("filter").focus(), e: nextWrong, c: () => { $("critical").click(); }, Escape: () => select(-1),
  };
  const ROWKEYS = {
    ArrowDown: () => move(1), ArrowUp: () => move(-1), PageDown: () => move(page()), PageUp: () => move(-page()),
    Home: () => move(-rows.length), End: () => move(rows.length), Enter: () => { const row = rows[state.on]; if (row?.foldable) toggle(state.on); },
    ArrowRight: () => { const row = rows[state.on]; if (row?.foldable && folded.has(state.on)) toggle(state.on); else move(1); },
    ArrowLeft: () => { const row = rows[state.on]; if (row?.foldable && !folded.has(state.on)) toggle(state.on); else if (row && row.parent >= 0) select(row.parent); },
  };
  addEventListener("keydown", (event) => {
    if (event.target.matches("input[type=search]")) { if (event.key === "Escape") event.target.blur(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = (event.target === box && ROWKEYS[event.key]) || (!$("chart").hidden || "fe".includes(event.key) || event.key === "Escape" ? KEYS[event.key] : undefined);
    if (act) { event.preventDefault(); act(); }
  });
  $("filter").addEventListener("input", refilter);
  $("wrong").addEventListener("change", refilter);
  $("critical").addEventListener("change", () => { state.critical = $("critical").checked; draw(); });
  $("fold").addEventListener("click", () => foldAll(true));
  $("unfold").addEventListener("click", () => foldAll(false));
  $("in").addEventListener("click", () => zoom(0.7));
  $("out").addEventListener("click", () => zoom(1 / 0.7));
  $("fit").addEventListener("click", () => look(0, end()));
  const SCHEMES = ["system", "light", "dark"];
  const scheme = (name) => { document.documentElement.dataset.scheme = name; $("scheme-word").textContent = name; draw(); };
  $("scheme").addEventListener("click", () => {
    const next = SCHEMES[(SCHEMES.indexOf(document.documentElement.dataset.scheme) + 1) % 3];
    scheme(next);
    try { localStorage.setItem("stretto-scheme", next); } catch { /* a page from a file may not store: the choice then lasts until it is closed */ }
  });
  let kept = null;
  try { kept = localStorage.getItem("stretto-scheme"); } catch { /* as above */ }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  new ResizeObserver(() => draw()).observe(document.body);
  new ResizeObserver(() => draw(false)).observe(box);
  choose();
  scheme(SCHEMES.includes(kept) ? kept : "system");
})();
