// The map of the area step answers: a press chooses a region, a circle or an outline is drawn.
// What is drawn is written into the form's own fields, which do the same without it.
"use strict";

for (const board of document.querySelectorAll("[data-map]")) answer(board);

function answer(board) {
  const KM = 111.19508; // in a degree of latitude
  const UNIT = 500; // of the drawing in a degree of latitude
  const svg = board.querySelector("svg");
  const [north, west, eastUnit] = ["north", "west", "eastUnit"].map((k) => Number(svg.dataset[k]));
  const form = board.closest("form");
  const says = board.querySelector("[data-map-says]");
  const [centre, radius, outline] = ["circle.centre", "circle.radius_km", "polygon"].map(
    (name) => form.elements[`area.${name}`],
  );
  const boxes = [...form.querySelectorAll("input[name='area.regions']")];
  const ellipse = svg.querySelector("ellipse");
  const polygon = svg.querySelector("polygon");
  const whole = { ...box() };
  let tool = "pick";
  let corners = []; // of an outline that is not closed yet
  let pressed = null;
  let asked = shapes();

  function box() {
    const { x, y, width, height } = svg.viewBox.baseVal;
    return { x, y, width, height };
  }
  function shapes() {
    return [centre, radius, outline].map((field) => field.value.trim()).join("|");
  }
  function choose(name) {
    tool = name;
    corners = [];
    for (const button of board.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    }
    svg.dataset.drawing = name;
    says.textContent = says.dataset[name];
  }

  // --- between the drawing and the earth; latitude first ---------------------------------------

  const placeOf = ([lat, lon]) => [(lon - west) * eastUnit, (north - lat) * UNIT];
  const pointOf = (x, y) => [north - y / UNIT, west + x / eastUnit];
  const written = ([lat, lon], between) => `${lat.toFixed(4)}${between}${lon.toFixed(4)}`;
  function pointAt(event) {
    const at = new DOMPoint(event.clientX, event.clientY);
    const { x, y } = at.matrixTransform(svg.getScreenCTM().inverse());
    return pointOf(x, y);
  }
  function apart(a, b) {
    const east = (b[1] - a[1]) * Math.cos((a[0] * Math.PI) / 180);
    return KM * Math.hypot(b[0] - a[0], east);
  }
  function read(text) {
    const numbers = text.split(/[\s,;]+/).filter(Boolean).map(Number);
    if (numbers.some(Number.isNaN)) return [];
    return numbers.flatMap((_, n) => (n % 2 ? [[numbers[n - 1], numbers[n]]] : []));
  }

  // --- what is drawn ---------------------------------------------------------------------------

  function draw() {
    const [middle] = read(centre.value);
    const km = Number(radius.value.replace(",", "."));
    const [x, y] = middle ? placeOf(middle) : [0, 0];
    const down = middle && km > 0 ? (km / KM) * UNIT : 0;
    const across = middle ? (down * eastUnit) / UNIT / Math.cos((middle[0] * Math.PI) / 180) : 0;
    for (const [name, value] of Object.entries({ cx: x, cy: y, rx: across, ry: down })) {
      ellipse.setAttribute(name, value);
    }
    const points = corners.length ? corners : read(outline.value);
    polygon.setAttribute("points", points.map((each) => placeOf(each).join(",")).join(" "));
    polygon.classList.toggle("open", corners.length > 0);
    const chosen = new Set(boxes.filter((each) => each.checked).map((each) => each.value));
    for (const land of svg.querySelectorAll(".land")) {
      const codes = land.dataset.codes.split(" ");
      const told = codes.some((code) => chosen.has(code) || chosen.has(code.split("-")[0]));
      land.classList.toggle("chosen", told);
    }
  }
  function changed() {
    form.querySelector("[data-shapes]").open = true;
    draw();
    outline.dispatchEvent(new Event("input", { bubbles: true }));
    form.dispatchEvent(new Event("hurry"));
  }
  function pick(land) {
    const codes = land.dataset.codes.split(" ");
    const mine = boxes.filter((each) => codes.includes(each.value));
    const checked = !mine.every((each) => each.checked);
    for (const each of mine) each.checked = checked;
    mine[0]?.dispatchEvent(new Event("change", { bubbles: true }));
  }
  function addCorner(event) {
    const at = pointAt(event);
    const first = corners.length > 2 && svg.getScreenCTM();
    const [x, y] = first ? placeOf(corners[0]) : [0, 0];
    const shown = first && new DOMPoint(x, y).matrixTransform(first);
    if (shown && Math.hypot(shown.x - event.clientX, shown.y - event.clientY) < 22) {
      outline.value = [...corners, corners[0]].map((each) => written(each, ",")).join(" ");
      choose("pick");
      changed();
    } else {
      corners.push(at);
      draw();
    }
  }

  svg.addEventListener("pointerdown", (event) => {
    pressed = { at: pointAt(event), x: event.clientX, y: event.clientY, view: box() };
    if (tool === "circle") {
      svg.setPointerCapture(event.pointerId);
      centre.value = written(pressed.at, ", ");
      radius.value ||= "10";
      draw();
    }
  });
  svg.addEventListener("pointermove", (event) => {
    if (!pressed || !event.buttons) return;
    const far = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y);
    if (tool === "circle" && far > 4) {
      radius.value = String(Math.max(0.1, Math.round(10 * apart(pressed.at, pointAt(event))) / 10));
      draw();
    } else if (tool === "pick" && event.pointerType === "mouse" && far > 4) {
      const scale = pressed.view.width / svg.clientWidth;
      pressed.moved = true;
      show({
        ...pressed.view,
        x: pressed.view.x - (event.clientX - pressed.x) * scale,
        y: pressed.view.y - (event.clientY - pressed.y) * scale,
      });
    }
  });
  svg.addEventListener("click", (event) => {
    if (tool === "circle") {
      choose("pick");
      changed();
    } else if (tool === "outline") {
      addCorner(event);
    } else if (!pressed?.moved && event.target.classList.contains("land")) {
      pick(event.target);
    }
  });

  // --- tools -----------------------------------------------------------------------------------

  function show({ x, y, width, height }) {
    svg.setAttribute("viewBox", [x, y, width, height].join(" "));
  }
  function zoom(factor) {
    const view = box();
    const drawn = ellipse.ry.baseVal.value ? ellipse : polygon.points.length ? polygon : null;
    const about = drawn?.getBBox();
    const [x, y] = about
      ? [about.x + about.width / 2, about.y + about.height / 2]
      : pressed
        ? placeOf(pressed.at)
        : [view.x + view.width / 2, view.y + view.height / 2];
    const width = Math.min(whole.width, view.width * factor);
    const height = (width * whole.height) / whole.width;
    const within = (at, size, from, all) => Math.max(from, Math.min(from + all - size, at - size / 2));
    show({
      x: within(x, width, whole.x, whole.width),
      y: within(y, height, whole.y, whole.height),
      width,
      height,
    });
  }
  board.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.tool) choose(button.dataset.tool);
    if (button.dataset.do === "closer") zoom(0.5);
    if (button.dataset.do === "wider") zoom(2);
    if (button.dataset.do === "clear") {
      corners = [];
      centre.value = radius.value = outline.value = "";
      changed();
    }
  });

  // --- the form --------------------------------------------------------------------------------

  form.addEventListener("input", draw);
  form.addEventListener("change", draw);
  form.addEventListener("saved", (event) => {
    if (shapes() === asked) return; // whoever left a region out is not asked again
    asked = shapes();
    propose(new Set(event.detail.touched));
  });

  board.querySelector(".map-tools").hidden = false;
  choose("pick");
  draw();

  // What an earlier shape proposed goes with it; what a person chose stays.
  function propose(touched) {
    const names = [];
    for (const each of boxes) {
      const own = "proposed" in each.dataset;
      if (own && !touched.has(each.value)) {
        each.checked = false;
        delete each.dataset.proposed;
      } else if (touched.has(each.value)) {
        if (!each.checked) each.dataset.proposed = "";
        each.checked = true;
        names.push(each.closest("[data-region]").dataset.region);
      }
    }
    if (asked !== "||") {
      says.textContent = names.length
        ? `${says.dataset.proposed} ${names.join(", ")}`
        : says.dataset.nothing;
    }
    boxes[0].dispatchEvent(new Event("change", { bubbles: true }));
  }
}
