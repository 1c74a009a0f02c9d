// The paper of one record: leads, size, maps and a caliper. Distances are in mm of the paper.
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];

const about = JSON.parse(one("#data").textContent);
const [perSample, perStep] = about.scale;
const perSecond = perSample * about.rate, perUnit = perStep * about.steps;
const sheet = one("#sheet"), overlay = one("#caliper"), paper = one("#paper");
const width = sheet.viewBox.baseVal.width;
const SIZES = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4];
let size = 1;

const told = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2);

// A curve holds its own numbers: "M" and the first sample of each run, then a step to the next.
const valuesOf = (path) => {
  const values = new Map();
  for (const run of path.getAttribute("d").split("M").slice(1)) {
    const [start, first, ...steps] = run.match(/-?\d+/g).map(Number);
    let height = first;
    values.set(start, -height / about.steps);
    for (let i = 1; i < steps.length; i += 2) {
      height += steps[i];
      values.set(start + (i + 1) / 2, -height / about.steps);
    }
  }
  return values;
};

const rows = all(".trace").map((path) => {
  const { lead, height, zero } = path.parentNode.dataset;
  return { lead, height: +height, zero: +zero, top: 0, shown: true, path };
});

// Leads and size

const lay = () => {
  let top = about.top;
  for (const row of rows) {
    row.shown = one(`input[name=lead][value="${row.lead}"]`).checked;
    row.top = top;
    for (const group of all(`.lead[data-lead="${row.lead}"]`)) {
      group.setAttribute("display", row.shown ? "inline" : "none");
      group.setAttribute("transform", `translate(0 ${top})`);
    }
    top += row.shown ? row.height : 0;
  }
  one("#axis").setAttribute("transform", `translate(0 ${top})`);
  for (const svg of [sheet, overlay]) svg.setAttribute("viewBox", `0 0 ${width} ${top + about.axis}`);
  sheet.setAttribute("width", `${width * size}mm`);
  sheet.setAttribute("height", `${(top + about.axis) * size}mm`);
  sheet.style.setProperty("--enlarged", Math.max(size, 1));
  one("#zoom").textContent = `${Math.round(size * 100)} %`;
  follow();
  draw();
};

const resize = (wanted) => {
  const middle = (paper.scrollLeft + paper.clientWidth / 2) / size;
  size = wanted;
  lay();
  paper.scrollLeft = middle * size - paper.clientWidth / 2;
};

// Names of leads stay in sight when the paper is moved.
const follow = () => {
  const left = (paper.scrollLeft * width) / sheet.getBoundingClientRect().width;
  for (const name of all(".name")) name.setAttribute("x", left < 1 ? about.left + 1 : left + 1);
};

for (const box of all("input[name=lead]")) box.addEventListener("change", lay);
for (const button of all("[data-leads]")) {
  button.addEventListener("click", () => {
    const { leads } = button.dataset;
    for (const box of all("input[name=lead]")) {
      box.checked = leads === "all" || box.value.startsWith("V") === (leads === "chest");
    }
    lay();
  });
}
for (const button of all("[data-zoom]")) {
  button.addEventListener("click", () => {
    if (button.dataset.zoom === "fit") {
      resize((paper.clientWidth / sheet.getBoundingClientRect().width) * size);
    } else {
      const larger = SIZES.find((each) => each > size * 1.01) ?? SIZES.at(-1);
      const smaller = SIZES.findLast((each) => each < size * 0.99) ?? SIZES[0];
      resize(+button.dataset.zoom > 0 ? larger : smaller);
    }
  });
}
paper.addEventListener("scroll", follow);

// Maps

const shade = () => {
  const output = +one("#output").value, method = one("input[name=method]:checked").value;
  const map = about.maps[method]?.[output];
  const values = map ? map.flat() : [0];
  const most = Math.max(...values.map(Math.abs)) || 1;
  about.leads.forEach((lead, row) => {
    all(`.lead[data-lead="${lead}"] .map rect`).forEach((square, k) => {
      const value = map ? map[row][k] : 0;
      square.setAttribute("class", value > 0 ? "for" : "against");
      square.setAttribute("opacity", ((about.darkest * Math.abs(value)) / most).toFixed(3));
    });
  });
  one("#told-output").textContent = about.outputs[output];
  one("#told-map").textContent = map
    ? `A square speaks for it by up to ${told(Math.max(0, ...values))} and against it by up to ` +
      `${told(-Math.min(0, ...values))} (${about.kind}).`
    : "No map is shown.";
};

for (const control of all("#map-controls select, #map-controls input")) control.addEventListener("change", shade);
shade();

// Caliper: two ends, each a time in s and a height in the unit of the lead that the first is in

const [first, second] = all(".end");
const ends = new Map([[first, { time: 0, value: 0 }], [second, { time: 0, value: 0 }]]);
let measured = null, onCurve = false;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const place = (end, time, value) => {
  const at = ends.get(end);
  at.time = clamp(time, 0, about.seconds);
  at.value = value;
  if (onCurve) {
    measured.values ??= valuesOf(measured.path);
    at.value = measured.values.get(clamp(Math.round(at.time * about.rate), 0, Math.round(about.seconds * about.rate) - 1)) ?? value;
  }
  draw();
};

const draw = () => {
  const shown = measured !== null && measured.shown;
  one("#marks").setAttribute("display", shown ? "inline" : "none");
  one("#measured").textContent = "";
  if (!shown) return;
  const pixel = width / sheet.getBoundingClientRect().width;
  const points = [...ends].map(([end, { time, value }]) => {
    const x = about.left + perSecond * time, y = measured.top + measured.zero - perUnit * value;
    const [hit, circle] = end.children;
    for (const each of [hit, circle]) {
      each.setAttribute("cx", x);
      each.setAttribute("cy", y);
    }
    hit.setAttribute("r", 16 * pixel);
    circle.setAttribute("r", 5 * pixel);
    end.setAttribute("aria-valuemax", Math.round(about.seconds * 1000));
    end.setAttribute("aria-valuenow", Math.round(time * 1000));
    end.setAttribute("aria-valuetext", `${Math.round(time * 1000)} ms, ${told(value)} ${about.unit}`);
    return { x, y, time, value };
  });
  const [a, b] = points, left = Math.min(a.x, b.x), top = Math.min(a.y, b.y);
  const area = { x: left, y: top, width: Math.abs(b.x - a.x), height: Math.abs(b.y - a.y) };
  for (const [name, value] of Object.entries(area)) one("#caliper .area").setAttribute(name, value);
  const bottom = measured.top + measured.height;
  one("#caliper .edges").setAttribute("d", `M${a.x} ${measured.top}V${bottom}M${b.x} ${measured.top}V${bottom}M${a.x} ${a.y}H${b.x}M${a.x} ${b.y}H${b.x}`);
  const time = Math.abs(b.time - a.time), rate = time > 0.2 ? `, ${Math.round(60 / time)} a minute` : "";
  one("#measured").textContent =
    `${measured.lead}: ${Math.round(time * 1000)} ms, ${told(b.value - a.value)} ${about.unit}${rate}`;
};

const pointOf = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(overlay.getScreenCTM().inverse());
const move = (end, event) => {
  const { x, y } = pointOf(event);
  place(end, (x - about.left) / perSecond, (measured.top + measured.zero - y) / perUnit);
};

let held = null;
overlay.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  held = event.target.closest(".end");
  if (held === null) {
    const { y } = pointOf(event), shown = rows.filter((row) => row.shown);
    measured = shown.findLast((row) => row.top <= y) ?? shown[0];
    for (const end of ends.keys()) move(end, event);
    held = second;
  }
  held.focus({ preventScroll: true });
  overlay.setPointerCapture(event.pointerId);
});
overlay.addEventListener("pointermove", (event) => held && move(held, event));
for (const kind of ["pointerup", "pointercancel"]) overlay.addEventListener(kind, () => { held = null; });

const start = () => {
  measured = rows.find((row) => row.shown);
  const left = Math.max(0, paper.scrollLeft / paper.scrollWidth) * about.seconds;
  place(first, left + 0.4, 0);
  place(second, left + 0.6, 0);
  first.focus({ preventScroll: true });
};

one("#measure").addEventListener("click", ({ currentTarget }) => {
  const on = currentTarget.getAttribute("aria-pressed") !== "true";
  currentTarget.setAttribute("aria-pressed", on);
  overlay.classList.toggle("off", !on);
  if (on) start();
  else measured = null;
  draw();
});
one("#follow").addEventListener("change", ({ currentTarget }) => {
  onCurve = currentTarget.checked;
  if (measured) for (const [end, { time, value }] of ends) place(end, time, value);
});
overlay.addEventListener("keydown", (event) => {
  const end = event.target, { time, value } = ends.get(end), far = event.shiftKey ? 10 : 1;
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  const shown = rows.filter((row) => row.shown);
  if (event.key in steps) {
    const [right, up] = steps[event.key];
    place(end, time + (right * far) / about.rate, value + up * far * 0.01);
  } else if (event.key === "PageUp" || event.key === "PageDown") {
    const next = shown.indexOf(measured) + (event.key === "PageUp" ? -1 : 1);
    measured = shown[clamp(next, 0, shown.length - 1)];
    for (const [each, at] of ends) place(each, at.time, at.value);
  } else return;
  event.preventDefault();
});

// Paper

document.documentElement.classList.add("scripted");
lay();
