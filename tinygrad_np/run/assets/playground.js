/* Draws, asks the server, and shows what it says. */
const { classes, origin } = JSON.parse(document.getElementById("data").textContent);
const paper = $("paper"), pen = paper.getContext("2d", { willReadFrequently: true });
let strokes = [], drawing = null, asked = 0, chosen = -1, waiting = false;

// ---- drawing

function redraw() {
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, paper.width, paper.height);
  Object.assign(pen, { lineWidth: 20, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
  for (const stroke of strokes) {
    pen.beginPath();
    stroke.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.lineTo(...stroke.at(-1));
    pen.stroke();
  }
}
const spot = (event) => {
  const box = paper.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * paper.width, ((event.clientY - box.top) / box.height) * paper.height];
};
paper.onpointerdown = (event) => {
  if (event.button) return;
  event.preventDefault();
  paper.focus({ preventScroll: true });
  paper.setPointerCapture(event.pointerId);
  drawing = [spot(event)];
  strokes.push(drawing);
  redraw();
};
paper.onmousedown = (event) => event.preventDefault(); // else dragging on selects the page's text
paper.onpointermove = (event) => {
  if (!drawing) return;
  drawing.push(...(event.getCoalescedEvents?.() ?? [event]).map(spot), spot(event));
  redraw();
};
paper.onpointerup = paper.onpointercancel = () => {
  if (!drawing) return;
  drawing = null;
  guess();
};
function changed() {
  redraw();
  if (strokes.length) guess();
  else empty();
}
$("clear").onclick = () => { strokes = []; changed(); };
$("undo").onclick = () => { strokes.pop(); changed(); };

// ---- asking

function given(more = {}) {
  const { data } = pen.getImageData(0, 0, paper.width, paper.height);
  let text = "";
  for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(data[i]);
  return { height: paper.height, width: paper.width, pixels: btoa(text), ...more };
}
async function ask(what, body) {
  let answer;
  try {
    answer = await fetch(what, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new Error("The playground's server does not answer; start it again.");
  }
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}
async function guess() {
  const mine = ++asked;
  try {
    const said = await ask("guess", given());
    if (mine === asked) show(said);
  } catch (error) {
    if (mine !== asked) return;
    fail(error);
    old();
  }
}
async function learn() {
  if (waiting || chosen < 0 || !strokes.length) return;
  waiting = true;
  asked++;
  update();
  try {
    const said = await ask("learn", given({ label: chosen }));
    show(said);
    $("learned").textContent = `step ${said.steps} taken: the loss was ${said.loss}, ${classes[chosen]} now has ${percent(said.shares[chosen])}`;
  } catch (error) {
    fail(error);
  }
  waiting = false;
  update();
}
async function forget() {
  try {
    steps((await ask("forget", {})).steps);
    $("learned").textContent = "back to the weights of the beginning";
    if (strokes.length) guess();
  } catch (error) {
    fail(error);
  }
}
$("learn").onclick = learn;
$("forget").onclick = forget;
$("explore").onclick = () => open("explore", "_blank", "noopener");

// ---- showing

const percent = (share) => `${(100 * share).toFixed(1)} %`;
let taken = 0;
function steps(count) {
  taken = count;
  update();
}
function update() {
  $("learn").disabled = waiting || chosen < 0 || !strokes.length;
  $("explore").disabled = $("forget").disabled = !taken;
}
function bars(shares) {
  $("shares").replaceChildren(...shares.flatMap((share, i) => {
    const bar = make("i");
    bar.style.width = `${100 * share}%`;
    return [make("span", { textContent: classes[i] }), make("div", {}, bar), make("em", { textContent: percent(share) })];
  }));
}
function show(said) {
  const best = said.guess;
  $("guess").replaceChildren(classes[best], " ", make("small", { textContent: percent(said.shares[best]) }));
  $("note").textContent = said.note;
  $("note").className = "place";
  bars(said.shares);
  const card = (array, i) => picture(array, array[ARR.name], i === said.layers.length - 1 ? classes : []);
  $("inside").replaceChildren(
    make("h3", { className: "forward", textContent: "what the network sees, and what moves its guess: the gradient by each pixel" }),
    make("div", { className: "cards" }, card(said.seen), card(said.saliency)),
    make("h3", { className: "forward", textContent: "what each layer puts out" }), make("div", { className: "cards" }, ...said.layers.map(card)),
  );
  $("inside").classList.remove("old");
  steps(said.steps);
}
/** The pictures are not those of what is drawn. */
function old() {
  bars(classes.map(() => 0));
  if ($("inside").classList.contains("old") || !$("inside").querySelector("figure")) return;
  $("inside").classList.add("old");
  $("inside").prepend(make("p", { className: "bad", textContent: "These pictures are of an earlier drawing." }));
}
function fail(error) {
  $("guess").textContent = "?";
  $("note").textContent = error.message;
  $("note").className = "bad";
}
function empty() {
  asked++;
  $("guess").textContent = "?";
  $("note").textContent = "Draw with the mouse or a finger.";
  $("note").className = "place";
  bars(classes.map(() => 0));
  $("inside").replaceChildren(make("p", { className: "place", textContent: "What the network sees, what moves its guess, and what each layer puts out will be here. In arrays blue is below 0, orange above." }));
  $("inside").classList.remove("old");
  update();
}
function choose(i) {
  chosen = i;
  [...$("labels").children].forEach((button, j) => button.setAttribute("aria-checked", i === j));
  update();
}
classes.forEach((name, i) => {
  const button = make("button", { textContent: name, onclick: () => choose(i) });
  button.setAttribute("role", "radio");
  button.setAttribute("aria-checked", "false");
  $("labels").append(button);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const digit = classes.indexOf(event.key);
  if (event.key === "c") $("clear").click();
  else if (event.key === "z") $("undo").click();
  else if (digit >= 0) choose(digit);
});
$("origin").textContent = origin;
redraw();
empty();
