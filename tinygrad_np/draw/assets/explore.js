/* Steps through a recording. The lists in `data` are written by draw/explore.py in this order. */
const data = JSON.parse(document.getElementById("data").textContent);
const { groups, rows, equations, arrays, lines } = data;
const EQ = { text: 0, row: 1, back: 2, reads: 3, makes: 4, line: 5, bytes: 6, flops: 7, rules: 8, place: 9 };
const ROW = { name: 0, group: 1, eq: 2, values: 3, cot: 4, sources: 5, back: 6 };
const HIGH = 46, STEP = 13, OPEN = 60, TOP = 26;

// ---- what belongs to what

const rowOf = new Map(); // array → row that gives it
rows.forEach((row, i) => row[ROW.values].forEach((a) => rowOf.set(a, i)));
const users = rows.map(() => []);
rows.forEach((row, i) => row[ROW.sources].forEach((s) => users[s].push(i)));
const isOpen = groups.map(() => false);
const count = groups.map(() => 0);
const lastRow = groups.map(() => -1);
const chains = rows.map((row, i) => {
  const chain = [];
  for (let g = row[ROW.group]; g >= 0; g = groups[g][1]) chain.unshift(g);
  for (const g of chain) {
    count[g] += (row[ROW.eq] >= 0 ? 1 : 0) + row[ROW.back].length;
    if (row[ROW.values].length) lastRow[g] = i;
  }
  return chain;
});

/** The group whose rule is that of a row, where one operation is several equations. */
const whole = (row) => chains[row].findLast((g) => groups[g][2].length);
// rows that a row hands a gradient to: those it is computed from, or those of the operation it ends
const receivers = rows.map((row) => row[ROW.sources]);
rows.forEach((row, i) => {
  const g = whole(i), end = lastRow[g];
  if (g === undefined || rows[end][ROW.cot] < 0) return;
  if (i !== end) receivers[i] = [];
  receivers[end] = [...(receivers[end] === rows[end][ROW.sources] ? [] : receivers[end])];
  receivers[end].push(...row[ROW.sources].filter((s) => rows[s][ROW.eq] < 0 || whole(s) !== g));
});

// ---- what is visible: rows, and headers of groups

let shown = []; // {row} or {group}, with depth
let placeOf = []; // row → its place in shown, or that of the folded group around
let edges = [];
let chosen = { eq: 0 };
let matches = [], matching = -1, marked = new Set();

function layOut() {
  shown = [];
  placeOf = [];
  let before = [];
  rows.forEach((_, i) => {
    const chain = chains[i];
    let hidden = false;
    for (let depth = 0; depth < chain.length && !hidden; depth++) {
      const g = chain[depth];
      if (before[depth] !== g) {
        shown.push({ group: g, depth });
        before = chain.slice(0, depth + 1);
      }
      hidden = !isOpen[g];
    }
    if (!hidden) {
      shown.push({ row: i, depth: chain.length });
      before = chain.slice();
    }
    placeOf[i] = shown.length - 1;
  });
  const seen = new Set();
  edges = [];
  const add = (s, i, back) => {
    const from = placeOf[s], to = placeOf[i], key = `${from} ${to} ${back}`;
    if (from === to || seen.has(key)) return;
    seen.add(key);
    edges.push({ from, to, back });
  };
  rows.forEach((row, i) => {
    for (const s of row[ROW.sources]) add(s, i, false);
    if (row[ROW.cot] >= 0) for (const s of receivers[i]) if (rows[s][ROW.cot] >= 0) add(s, i, true);
  });
  $("rows").style.height = `${shown.length * HIGH}px`;
}

function openAFew() {
  const inside = groups.map(() => 0);
  const visible = (g) => g < 0 || (isOpen[g] && visible(groups[g][1]));
  rows.forEach((row) => row[ROW.group] >= 0 && inside[row[ROW.group]]++);
  groups.forEach((group) => group[1] >= 0 && inside[group[1]]++);
  let total = rows.filter((row) => row[ROW.group] < 0).length + groups.filter((g) => g[1] < 0).length;
  for (let more = true; more; ) {
    more = false;
    groups.forEach((group, g) => {
      if (!isOpen[g] && visible(group[1]) && total + inside[g] <= OPEN) {
        isOpen[g] = more = true;
        total += inside[g];
      }
    });
  }
}

function placeOfChosen() {
  if (chosen.group !== undefined) return shown.findIndex((entry) => entry.group === chosen.group);
  return placeOf[chosen.row ?? equations[chosen.eq][EQ.row]];
}

// ---- arrays, with links to where they come from

const thumb = (index) => thumbnail(arrays[index]);
function card(index, caption) {
  const array = arrays[index], home = rowOf.get(index);
  return picture(array, caption ?? (home === undefined ? array[ARR.name] : link(array[ARR.name], () => chooseRow(home))));
}
const cards = (indices, made = [], most = 8) => {
  const box = make("div", { className: "cards" }, ...indices.slice(0, most).map((i) => card(i)));
  if (indices.length > most) box.append(make("p", { className: "place", textContent: `and ${indices.length - most} more` }));
  if (made.length) box.append(make("span", { className: "to", textContent: "→" }), make("div", { className: "cards made" }, ...made.slice(0, most).map((i) => card(i))));
  return box;
};

// ---- the chosen thing, in full

const link = (text, onclick) => make("button", { className: "link", textContent: text, onclick });
const counted = (n) => `${n.toLocaleString("en")} equation${n === 1 ? "" : "s"}`;
const heading = (text, className = "") => make("h3", { textContent: text, className });
function source(index) {
  if (index < 0) return [];
  const [name, at, first, text] = lines[index];
  const box = make("div", { className: "source" }, make("div", { className: "file", textContent: name }));
  text.forEach((line, i) => box.append(make("div", { className: first + i === at ? "at" : "" }, make("span", { textContent: first + i }), make("code", { textContent: line || " " }))));
  return [box];
}
function chainOf(row) {
  return chains[row].map((g) => groups[g][0]).join(" › ");
}
function rulesOf(equation) {
  const found = [], row = equation[EQ.row], own = rows[row], g = whole(row);
  if (g !== undefined && own[ROW.cot] < 0 && lastRow[g] !== row) return [make("p", { className: "place" }, "This is a part of ", link(groups[g][0], () => choose({ group: g })), ", which has a rule as a whole.")];
  if (own[ROW.cot] >= 0) found.push(make("div", { className: "cards" }, card(own[ROW.cot], "g: the gradient that arrives here")));
  else found.push(make("p", { className: "place", textContent: "No gradient arrives here in this recording." }));
  for (const [name, said, operand] of equation[EQ.rules]) {
    const cot = rowOf.has(operand) ? rows[rowOf.get(operand)][ROW.cot] : -1;
    const box = make("div", { className: "rule" }, make("p", {}, `to ${name} (`, rowOf.has(operand) ? link(arrays[operand][ARR.name], () => chooseRow(rowOf.get(operand))) : arrays[operand][ARR.name], "): ", make("code", { textContent: said })));
    if (cot >= 0) {
      const uses = users[rowOf.get(operand)].length;
      box.append(make("div", { className: "cards" }, card(cot, `gradient of ${arrays[operand][ARR.name]}${uses > 1 ? `, summed over its ${uses} uses` : ""}`)));
    } else box.append(make("p", { className: "place", textContent: "Not computed: nothing asked for it." }));
    found.push(box);
  }
  if (g !== undefined) {
    found.push(make("p", { className: "place" }, "One rule for all of ", link(groups[g][0], () => choose({ group: g })), ":"));
    for (const [name, said] of groups[g][2]) found.push(make("div", { className: "rule" }, `to ${name}: `, make("code", { textContent: said })));
    const given = [...flows(g).enter].filter((a) => rows[rowOf.get(a)][ROW.cot] >= 0);
    found.push(make("div", { className: "cards" }, ...given.map((a) => card(rows[rowOf.get(a)][ROW.cot], `gradient of ${arrays[a][ARR.name]}`))));
  }
  return found;
}
function backList(row, current) {
  const list = make("ol", { className: "list" });
  for (const i of rows[row][ROW.back]) {
    const entry = make("li", { value: i + 1 }, i === current ? make("b", { textContent: equations[i][EQ.text] }) : link(equations[i][EQ.text], () => choose({ eq: i })));
    list.append(entry);
  }
  return rows[row][ROW.back].length ? [heading("the equations of its backward pass", "backward"), list] : [];
}
function showEquation(i) {
  const equation = equations[i], back = !!equation[EQ.back], row = equation[EQ.row];
  const parts = [make("h2", { textContent: `Equation ${i + 1} of ${equations.length}, ${back ? "backward" : "forward"}` })];
  parts.push(make("p", { className: "place", textContent: [chainOf(row), equation[EQ.bytes] ? `${equation[EQ.bytes].toLocaleString("en")} bytes, ${equation[EQ.flops].toLocaleString("en")} FLOP` : ""].filter(Boolean).join(" · ") }));
  parts.push(make("div", { className: `formula ${back ? "backward" : ""}`, textContent: equation[EQ.text] }));
  if (back && rows[row][ROW.eq] >= 0) parts.push(make("p", {}, "part of the derivative of ", link(`${rows[row][ROW.eq] + 1}: ${equations[rows[row][ROW.eq]][EQ.text]}`, () => choose({ eq: rows[row][ROW.eq] }))));
  parts.push(...source(equation[EQ.line]));
  const side = back ? "backward" : "forward";
  if (equation[EQ.makes].length || equation[EQ.reads].length) parts.push(heading(equation[EQ.makes].length ? "operands and value" : "operands", side), cards(equation[EQ.reads], equation[EQ.makes]));
  const about = back ? equations[rows[row][ROW.eq]] : equation;
  if (about && (about[EQ.rules].length || rows[row][ROW.cot] >= 0 || whole(row) !== undefined)) parts.push(heading(back ? "the rule that this belongs to" : "backward: the rule", "backward"), ...rulesOf(about));
  parts.push(...backList(row, i));
  return parts;
}
function showLeaf(i) {
  const row = rows[i], array = arrays[row[ROW.values][0]];
  const parts = [make("h2", { textContent: `${array[ARR.name]}: ${row[ROW.name]}` }), make("p", { className: "place", textContent: chainOf(i) })];
  parts.push(heading("value", "forward"), cards(row[ROW.values]));
  if (row[ROW.cot] >= 0) parts.push(heading("gradient", "backward"), make("div", { className: "cards" }, card(row[ROW.cot], `gradient of ${array[ARR.name]}`)));
  const list = make("ol", { className: "list" });
  for (const u of users[i]) list.append(make("li", { value: rows[u][ROW.eq] + 1 }, link(equations[rows[u][ROW.eq]][EQ.text], () => chooseRow(u))));
  parts.push(heading("used by"), list, ...backList(i));
  return parts;
}
/** What goes into a group, and comes out: parameters that lie in it go in, too. */
function flows(g) {
  const inside = new Set();
  rows.forEach((row, i) => chains[i].includes(g) && inside.add(i));
  const enter = new Set(), leave = new Set();
  for (const i of inside) {
    for (const s of rows[i][ROW.sources]) if (!inside.has(s) || rows[s][ROW.eq] < 0) rows[s][ROW.values].forEach((a) => enter.add(a));
    if (users[i].some((u) => !inside.has(u)) || (i === lastRow[g] && !users[i].length)) rows[i][ROW.values].forEach((a) => leave.add(a));
  }
  return { enter, leave };
}
function showGroup(g) {
  const { enter, leave } = flows(g);
  const turn = make("button", { textContent: isOpen[g] ? "fold" : "unfold", onclick: () => fold(g) });
  const parts = [make("h2", { textContent: groups[g][0] }), make("p", { className: "place", textContent: `${counted(count[g])}, forward and backward` }), turn];
  if (enter.size || leave.size) parts.push(heading("what goes in and what comes out", "forward"), cards([...enter], [...leave]));
  const cots = [...leave].map((a) => rows[rowOf.get(a)][ROW.cot]).filter((c) => c >= 0);
  if (groups[g][2].length) parts.push(heading("backward: the rule", "backward"), ...rulesOf(equations[rows[lastRow[g]][ROW.eq]]));
  else if (cots.length) parts.push(heading("the gradient that arrives", "backward"), cards(cots));
  return parts;
}

// ---- rows on the screen, and arrows between them

function rowElement(place) {
  const entry = shown[place], element = make("div", { className: "row", id: `row${place}` });
  const isChosen = place === placeOfChosen(), onBack = chosen.eq !== undefined && equations[chosen.eq][EQ.back];
  element.style.top = `${place * HIGH}px`;
  element.setAttribute("role", "treeitem");
  element.setAttribute("aria-level", entry.depth + 1);
  element.setAttribute("aria-selected", isChosen);
  element.classList.toggle("chosen", isChosen);
  element.classList.toggle("match", marked.has(entry.group === undefined ? `r${entry.row}` : `g${entry.group}`));
  const node = make("div", { className: "node" }), cot = make("div", { className: "cot" });
  node.style.marginLeft = `${Math.min(entry.depth, 8) * STEP}px`;
  (onBack ? cot : node).classList.add("here");
  let arriving, title, below;
  if (entry.group !== undefined) {
    const g = entry.group, last = lastRow[g];
    element.classList.add("group");
    element.setAttribute("aria-expanded", isOpen[g]);
    node.append(make("span", { className: "fold", textContent: isOpen[g] ? "▾" : "▸" }));
    if (!isOpen[g] && last >= 0) node.append(thumb(rows[last][ROW.values][0]));
    title = groups[g][0];
    below = counted(count[g]);
    arriving = isOpen[g] || last < 0 ? -1 : rows[last][ROW.cot];
    node.onclick = (event) => { event.stopPropagation(); $("graph").focus({ preventScroll: true }); choose({ group: g }, true); fold(g); };
  } else {
    const row = rows[entry.row], values = row[ROW.values];
    if (row[ROW.eq] < 0) element.classList.add("leaf");
    if (values.length) node.append(thumb(values[0]));
    const first = values.length ? arrays[values[0]] : undefined;
    title = row[ROW.eq] < 0 ? first[ARR.name] : values.length ? equations[row[ROW.eq]][EQ.text].replace(/^.* = (?=\w)/, "") : equations[row[ROW.eq]][EQ.text];
    below = row[ROW.eq] < 0 ? `${row[ROW.name]} ${first[ARR.kind]}` : values.map((a) => `${arrays[a][ARR.name]}: ${arrays[a][ARR.kind]}`).join(", ");
    arriving = row[ROW.cot];
  }
  node.append(make("div", {}, make("b", { textContent: title, title }), make("i", { textContent: below })));
  if (arriving >= 0) {
    cot.append(thumb(arriving));
    cot.title = `gradient: ${arrays[arriving][ARR.name]}`;
    cot.onclick = (event) => {
      const back = entry.row === undefined ? [] : rows[entry.row][ROW.back];
      if (!back.length) return;
      event.stopPropagation();
      choose({ eq: back[0] });
    };
  } else cot.classList.add("none");
  element.append(node, cot);
  element.onclick = () => (entry.group === undefined ? chooseRow(entry.row) : choose({ group: entry.group }));
  return element;
}
function drawRows() {
  const graph = $("graph"), first = Math.max(0, Math.floor(graph.scrollTop / HIGH) - 4);
  const last = Math.min(shown.length, Math.ceil((graph.scrollTop + graph.clientHeight) / HIGH) + 4);
  const some = [];
  for (let place = first; place < last; place++) some.push(rowElement(place));
  $("rows").replaceChildren(...some);
  const at = placeOfChosen();
  if (at >= first && at < last) graph.setAttribute("aria-activedescendant", `row${at}`);
  else graph.removeAttribute("aria-activedescendant");
  drawEdges(first, last);
}
function drawEdges(first, last) {
  const graph = $("graph"), canvas = $("edges"), ratio = devicePixelRatio || 1;
  const wide = graph.clientWidth, high = (last - first) * HIGH;
  canvas.style.top = `${TOP + first * HIGH}px`;
  canvas.style.width = `${wide}px`;
  canvas.style.height = `${high}px`;
  canvas.width = wide * ratio;
  canvas.height = high * ratio;
  const context = canvas.getContext("2d"), style = getComputedStyle(document.body), at = placeOfChosen();
  context.scale(ratio, ratio);
  const padding = wide < 600 ? [30, 22] : [46, 34];
  const start = (place) => padding[0] + Math.min(shown[place].depth, 8) * STEP;
  const right = wide - padding[1], middle = (place) => (place - first + 0.5) * HIGH;
  const touches = (edge) => edge.from === at || edge.to === at;
  const visible = edges.filter((edge) => edge.to >= first && edge.from < last && (touches(edge) || (edge.to - edge.from < 400 || edge.from >= first || edge.to < last)));
  const ordered = [...visible.filter((edge) => !touches(edge)).slice(0, 1500), ...visible.filter(touches)];
  for (const edge of ordered) {
    const strong = touches(edge), far = edge.to - edge.from, bulge = Math.min(10 + 6 * Math.log2(far + 1), padding[0] - 4);
    context.globalAlpha = strong ? 1 : 0.35;
    context.lineWidth = strong ? 2 : 1.2;
    context.strokeStyle = context.fillStyle = style.getPropertyValue(edge.back ? "--backward" : "--forward");
    const above = middle(edge.from) + 7, below = middle(edge.to) - 7;
    if (edge.back) arc(context, right, below, right, above, Math.min(right + Math.min(bulge, padding[1] - 4), wide - 2), -1);
    else {
      const [x1, x2] = [start(edge.from), start(edge.to)];
      arc(context, x1, above, x2, below, Math.max(Math.min(x1, x2) - bulge, 2), 1);
    }
  }
}
function arc(context, x1, y1, x2, y2, x, towards) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.bezierCurveTo(x, y1, x, y2, x2 - towards * 4, y2);
  context.stroke();
  context.beginPath();
  context.moveTo(x2, y2);
  context.lineTo(x2 - towards * 6, y2 - 3.5);
  context.lineTo(x2 - towards * 6, y2 + 3.5);
  context.fill();
}

// ---- choosing, folding, searching

function choose(what, isQuiet) {
  chosen = what;
  const row = what.row ?? (what.eq === undefined ? undefined : equations[what.eq][EQ.row]);
  if (row !== undefined && chains[row].some((g) => !isOpen[g])) {
    for (const g of chains[row]) isOpen[g] = true;
    layOut();
  }
  if (!isQuiet) update();
}
const chooseRow = (row) => choose(rows[row][ROW.eq] >= 0 ? { eq: rows[row][ROW.eq] } : { row });
function fold(g, open) {
  isOpen[g] = open ?? !isOpen[g];
  if (!isOpen[g]) chosen = { group: g };
  layOut();
  update();
}
function foldAll(open) {
  const row = chosen.row ?? (chosen.eq === undefined ? undefined : equations[chosen.eq][EQ.row]);
  isOpen.fill(open);
  if (!open && row !== undefined && chains[row].length) chosen = { group: chains[row][0] };
  if (!open && chosen.group !== undefined) while (groups[chosen.group][1] >= 0) chosen = { group: groups[chosen.group][1] };
  layOut();
  update();
}
function update() {
  const graph = $("graph"), top = placeOfChosen() * HIGH;
  if (top < graph.scrollTop + HIGH || top + 2 * HIGH + TOP > graph.scrollTop + graph.clientHeight) graph.scrollTop = top - graph.clientHeight / 2 + HIGH;
  drawRows();
  $("where").textContent = chosen.eq === undefined ? counted(equations.length) : `${chosen.eq + 1} of ${equations.length}`;
  const parts = chosen.group !== undefined ? showGroup(chosen.group) : chosen.eq !== undefined ? showEquation(chosen.eq) : showLeaf(chosen.row);
  $("detail").replaceChildren(...parts);
  $("detail").scrollTop = 0;
}
/** The equation we are at, or nearest to. */
function nearest() {
  if (chosen.eq !== undefined) return chosen.eq;
  const from = chosen.row ?? rows.findIndex((_, i) => chains[i].includes(chosen.group));
  for (let i = from; i < rows.length; i++) if (rows[i][ROW.eq] >= 0) return rows[i][ROW.eq] - 0.5;
  return equations.length - 0.5;
}
function step(by) {
  const next = by > 0 ? Math.floor(nearest() + 1) : Math.ceil(nearest() - 1);
  choose({ eq: Math.max(0, Math.min(equations.length - 1, next)) });
}
function move(by) {
  const entry = shown[Math.max(0, Math.min(shown.length - 1, placeOfChosen() + by))];
  if (entry.group === undefined) chooseRow(entry.row);
  else choose({ group: entry.group });
}
/** From a value to its derivative, or that of the operation it is a part of, and back. */
function turn() {
  const row = chosen.group !== undefined ? lastRow[chosen.group] : chosen.row ?? equations[chosen.eq][EQ.row];
  if (chosen.eq !== undefined && equations[chosen.eq][EQ.back]) return chooseRow(row);
  const found = row < 0 ? [] : [row, lastRow[whole(row)]].flatMap((i) => rows[i]?.[ROW.back] ?? []);
  if (found.length) choose({ eq: found[0] });
  else $("where").textContent = "no derivative";
}
function foldChosen() {
  const row = chosen.row ?? (chosen.eq === undefined ? undefined : equations[chosen.eq][EQ.row]);
  const g = chosen.group ?? rows[row][ROW.group];
  if (g >= 0) fold(g);
}
let index;
function search(text) {
  index ??= [
    ...equations.map((e, i) => ({ eq: i, row: e[EQ.row], text: `${i + 1} ${e[EQ.text]} ${e[EQ.place]} ${chainOf(e[EQ.row])} ${e[EQ.line] < 0 ? "" : `${lines[e[EQ.line]][0]} ${lines[e[EQ.line]][3][lines[e[EQ.line]][1] - lines[e[EQ.line]][2]] ?? ""}`}`.toLowerCase() })),
    ...rows.flatMap((row, i) => (row[ROW.eq] < 0 ? [{ row: i, text: `${arrays[row[ROW.values][0]][ARR.name]} ${row[ROW.name]}`.toLowerCase() }] : [])),
  ];
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  matches = words.length ? index.filter((entry) => words.every((word) => entry.text.includes(word))) : [];
  matching = -1;
  marked = new Set(matches.map((entry) => `r${entry.row}`));
  for (const entry of matches) for (const g of chains[entry.row]) if (!isOpen[g]) marked.add(`g${g}`);
  $("found").textContent = words.length ? `${matches.length} found` : "";
  drawRows();
}
function nextMatch(by) {
  if (!matches.length) return;
  matching = (matching + by + matches.length) % matches.length;
  const { eq, row } = matches[matching];
  choose(eq === undefined ? { row } : { eq });
  $("found").textContent = `${matching + 1} of ${matches.length}`;
}
const KEYS = {
  ArrowRight: () => step(1), ArrowLeft: () => step(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
  Home: () => choose({ eq: 0 }), End: () => choose({ eq: equations.length - 1 }), Enter: foldChosen, " ": foldChosen, b: turn,
  PageDown: () => move(10), PageUp: () => move(-10), "/": () => { $("search").focus(); $("search").select(); },
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === $("search")) {
    if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") $("graph").focus();
    else return;
    event.preventDefault();
    return;
  }
  if (event.target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ")) return;
  if (event.target === $("detail") && ["ArrowDown", "ArrowUp", "PageDown", "PageUp"].includes(event.key)) return; // it scrolls
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
$("search").addEventListener("input", () => search($("search").value));
$("graph").addEventListener("scroll", () => requestAnimationFrame(drawRows));
addEventListener("resize", drawRows);
dark.addEventListener("change", update);
for (const [id, act] of Object.entries({ first: KEYS.Home, back: KEYS.ArrowLeft, on: KEYS.ArrowRight, last: KEYS.End, fold: () => foldAll(false), unfold: () => foldAll(true) })) $(id).onclick = act;
$("title").textContent = data.title;
$("summary").textContent = data.summary.join(", ");
openAFew();
layOut();
chosen = placeOf.length && chains[equations[0][EQ.row]].every((g) => isOpen[g]) ? { eq: 0 } : { group: chains[equations[0][EQ.row]].find((g) => !isOpen[g]) };
update();
$("graph").focus({ preventScroll: true });
document.body.dataset.ready = Math.round(performance.now());
