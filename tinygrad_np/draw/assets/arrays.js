"use strict";
/* Arrays as pictures. draw/explore_arrays.py writes what is told of each, in this order. */
const ARR = { name: 0, kind: 1, min: 2, max: 3, mean: 4, std: 5, zeros: 6, bad: 7, numbers: 8, bins: 9, signed: 10, scale: 11, matrix: 12, images: 13 };
const $ = (id) => document.getElementById(id);
const make = (tag, about = {}, ...inside) => {
  const made = Object.assign(document.createElement(tag), about);
  made.append(...inside);
  return made;
};
const dark = matchMedia("(prefers-color-scheme: dark)");

const cache = new Map();
const bytesOf = (text) => {
  if (!cache.has(text)) cache.set(text, Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
  return cache.get(text);
};
const mix = (a, b, t) => a.map((x, i) => Math.round(x + (b[i] - x) * t));
/** Around 0: blue below, orange above. Pictures without negative numbers are grey. */
function colour(level, signed) {
  if (level === 255) return [233, 30, 140];
  if (!signed) return mix(dark.matches ? [0, 0, 0] : [255, 255, 255], dark.matches ? [255, 255, 255] : [16, 16, 24], level / 254);
  const paper = dark.matches ? [30, 34, 40] : [247, 247, 247], t = (level - 127) / 127;
  return t < 0 ? mix(paper, dark.matches ? [90, 170, 255] : [20, 90, 170], -t) : mix(paper, dark.matches ? [255, 160, 80] : [190, 75, 0], t);
}
const palettes = new Map();
/** The colours of all levels, as four bytes each. */
function palette(signed) {
  const key = `${signed} ${dark.matches}`;
  if (!palettes.has(key)) {
    const bytes = Array.from({ length: 256 }, (_, level) => [...colour(level, signed), 255]);
    palettes.set(key, new Uint32Array(Uint8Array.from(bytes.flat()).buffer));
  }
  return palettes.get(key);
}
function paint(canvas, array, picture, most) {
  const [n, high, wide, , , text] = picture;
  const count = Math.min(n, most ?? n), gap = count > 1 ? 1 : 0;
  const across = Math.max(1, Math.min(count, Math.ceil(Math.sqrt((count * high) / wide))));
  const down = Math.ceil(count / across), levels = bytesOf(text);
  canvas.width = across * (wide + gap) - gap;
  canvas.height = down * (high + gap) - gap;
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  const table = palette(array[ARR.signed]), dots = new Uint32Array(image.data.buffer);
  for (let t = 0; t < count; t++) {
    const left = (t % across) * (wide + gap), top = Math.floor(t / across) * (high + gap);
    for (let y = 0; y < high; y++) for (let x = 0; x < wide; x++) {
      dots[(top + y) * canvas.width + left + x] = table[levels[(t * high + y) * wide + x]];
    }
  }
  context.putImageData(image, 0, 0);
  return { across, gap };
}
function thumbnail(array) {
  const canvas = make("canvas", { className: "thumb", width: 1, height: 1 });
  if (array && array.length > 2) paint(canvas, array, array[ARR.images] ?? array[ARR.matrix], 1);
  return canvas;
}
const brief = (x) => String(Number(x.toPrecision(3)));
function heat(array, useImages) {
  const shown = array[useImages ? ARR.images : ARR.matrix];
  const [, high, wide, down, right, text] = shown;
  const canvas = make("canvas"), read = make("div", { className: "read" });
  const { across, gap } = paint(canvas, array, shown);
  const zoom = Math.max(1, Math.min(16, Math.floor(190 / canvas.width), Math.floor(200 / canvas.height)));
  canvas.style.width = `${canvas.width * zoom}px`;
  if (canvas.height * zoom < 12) canvas.style.height = "12px";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${array[ARR.name]} as ${useImages ? "images" : "a heat map"}`);
  canvas.onmousemove = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * canvas.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
    const tile = Math.floor(y / (high + gap)) * across + Math.floor(x / (wide + gap));
    const column = x % (wide + gap), line = y % (high + gap), level = bytesOf(text)[(tile * high + line) * wide + column];
    if (column >= wide || line >= high || level === undefined) return void (read.textContent = "");
    const value = level === 255 ? "not finite" : brief((array[ARR.signed] ? (level - 127) / 127 : level / 254) * array[ARR.scale]);
    const spot = useImages ? `image ${tile}, ` : "";
    read.textContent = `${spot}${down ? `row ${line * down}, column ${column * right}` : `element ${(line * wide + column) * right}`}: ≈ ${value}`;
  };
  canvas.onmouseleave = () => (read.textContent = "");
  return [canvas, read];
}
/** The colours from the least to the greatest that there are, with 0 at one end or between. */
function scaleOf(array) {
  const canvas = make("canvas", { width: 64, height: 1 }), context = canvas.getContext("2d");
  const low = Number(array[ARR.min]) < 0 ? -1 : 0, high = low < 0 && Number(array[ARR.max]) <= 0 ? 0 : 1;
  for (let x = 0; x < 64; x++) {
    const share = low + ((high - low) * x) / 63;
    context.fillStyle = `rgb(${colour(Math.round(array[ARR.signed] ? 127 + 127 * share : 254 * share), array[ARR.signed])})`;
    context.fillRect(x, 0, 1, 1);
  }
  return make("div", { className: "scale" }, brief(low * array[ARR.scale]), canvas, brief(high * array[ARR.scale]));
}
function histogram(array) {
  const canvas = make("canvas", { className: "histogram", width: 300, height: 88 }), context = canvas.getContext("2d");
  const bins = bytesOf(array[ARR.bins]), style = getComputedStyle(document.body);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `histogram of ${array[ARR.name]} from ${array[ARR.min]} to ${array[ARR.max]}`);
  context.fillStyle = style.getPropertyValue("--soft");
  bins.forEach((n, i) => context.fillRect(i * 12.5 + 1, 86 - (n / 255) * 84, 10.5, (n / 255) * 84 + 2));
  return [canvas, make("div", { className: "scale" }, `${array[ARR.min]} … ${array[ARR.max]}`)];
}
/** Small arrays as numbers: a vector goes on below, each with its label if it has one. */
function numbers(array, wide, labels) {
  const [, high, , , , text] = array[ARR.matrix], levels = bytesOf(text), box = make("div", { className: high === 1 ? "vector" : "numbers" });
  if (high > 1) box.style.gridTemplateColumns = `repeat(${wide}, max-content)`;
  array[ARR.numbers].forEach((text, i) => {
    const rgb = colour(levels[i] ?? 127, array[ARR.signed]), cell = make("span", { className: "cell" });
    if (labels.length) cell.append(make("small", { textContent: labels[i] }), " ");
    cell.append(text);
    cell.style.background = `rgb(${rgb})`;
    cell.style.color = rgb[0] * 0.3 + rgb[1] * 0.6 + rgb[2] * 0.1 > 140 ? "#111" : "#fff";
    box.append(cell);
  });
  return box;
}
/** A card with the picture, histogram and statistics of an array; its numbers may have labels. */
function picture(array, title, labels = []) {
  const figure = make("figure", {}, make("figcaption", {}, make("b", {}, title), make("small", { textContent: array[ARR.kind] })));
  if (array.length < 3) return figure;
  const given = array[ARR.numbers];
  if (given.length === 1) {
    figure.append(make("div", { className: "big", textContent: given[0] }));
    return figure;
  }
  const place = make("div");
  const draw = (useImages) => {
    const [drawn, ...read] = given.length && !useImages && (array[ARR.matrix][1] === 1 || array[ARR.matrix][2] <= 8) ? [numbers(array, array[ARR.matrix][2], labels.length === given.length ? labels : [])] : heat(array, useImages);
    place.replaceChildren(drawn, ...(array[ARR.scale] ? [scaleOf(array)] : []), ...read);
    if (!array[ARR.images]) return;
    const turn = make("button", { className: "small", textContent: useImages ? "as a matrix" : "as images" });
    turn.onclick = () => draw(!useImages);
    place.append(turn);
  };
  draw(!!array[ARR.images]);
  figure.append(place);
  if (array[ARR.bins]) figure.append(...histogram(array));
  const facts = make("div", { className: "facts" });
  for (const [word, at] of array[ARR.mean] ? [["mean", ARR.mean], ["std", ARR.std], ["zeros", ARR.zeros]] : []) facts.append(`${word} `, make("b", { textContent: array[at] }), "  ");
  if (array[ARR.bad]) facts.append(make("span", { className: "bad", textContent: `${array[ARR.bad]} not finite` }));
  const [n, , , down, right] = array[array[ARR.images] ? ARR.images : ARR.matrix];
  if (array[ARR.images] && n > 1) facts.append(make("div", { textContent: `images 0 to ${n - 1}` }));
  else if (down > 1 || right > 1) facts.append(make("div", { textContent: down ? `shown: rows by ${down}, columns by ${right}` : `shown: elements by ${right}` }));
  figure.append(facts);
  return figure;
}
