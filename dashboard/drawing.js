// A defect's mask, drawn with pen, finger or mouse. A stroke that ends where it began is filled.
const TINT = "rgba(240, 168, 0, .55)";
const BRUSHES_PX = [6, 14, 32]; // on the screen
const TOOLS = [
  ["erase", "Erase", "x"], ["brush", "Brush", "b"], ["undo", "Undo", "z"],
  ["cancel", "Cancel", "Esc"], ["use", "Use this mask", "Enter"],
];

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  if (root.childElementCount) return; // redrawn by the page: what was drawn stays
  const { width, height } = data;
  const strokes = [];
  let brush = 1;
  let erases = false;

  const well = root.appendChild(document.createElement("div"));
  well.className = "well";
  const stage = well.appendChild(document.createElement("div"));
  stage.className = "stage";
  stage.style.aspectRatio = `${width} / ${height}`;
  stage.style.width = `min(100%, calc((100vh - 18rem) * ${width / height}))`;
  const picture = stage.appendChild(new Image());
  picture.src = data.picture;
  picture.alt = "";
  const canvas = stage.appendChild(document.createElement("canvas"));
  const mask = document.createElement("canvas");
  for (const each of [canvas, mask]) [each.width, each.height] = [width, height];

  const tools = root.appendChild(document.createElement("div"));
  tools.className = "tools";
  const hint = tools.appendChild(document.createElement("p"));
  hint.textContent = "Draw over the defect, or around it: a closed line is filled.";
  const buttons = {};
  for (const [name, label, key] of TOOLS) {
    const button = tools.appendChild(document.createElement("button"));
    button.type = "button";
    button.append(label, Object.assign(document.createElement("kbd"), { textContent: key }));
    button.onclick = () => act(name);
    buttons[name] = button;
  }
  buttons.use.className = "main";

  function act(name) {
    if (name === "erase") erases = !erases;
    if (name === "brush") brush = (brush + 1) % BRUSHES_PX.length;
    if (name === "undo") strokes.pop();
    if (name === "cancel") setTriggerValue("cancelled", true);
    if (name === "use" && strokes.length) setTriggerValue("drawn", asPng());
    redraw();
  }

  function asPng() {
    const out = document.createElement("canvas");
    [out.width, out.height] = [width, height];
    const on = out.getContext("2d");
    on.fillRect(0, 0, width, height);
    on.drawImage(mask, 0, 0);
    return out.toDataURL("image/png");
  }

  function redraw() {
    const on = mask.getContext("2d");
    on.clearRect(0, 0, width, height);
    on.lineCap = on.lineJoin = "round";
    on.fillStyle = on.strokeStyle = "#fff";
    for (const stroke of strokes) {
      on.globalCompositeOperation = stroke.erases ? "destination-out" : "source-over";
      on.lineWidth = stroke.size;
      const line = new Path2D();
      const [first, ...others] = stroke.points;
      line.moveTo(...first);
      for (const point of others.length ? others : [first]) line.lineTo(...point);
      on.stroke(line);
      if (stroke.isClosed) on.fill(line);
    }
    const shown = canvas.getContext("2d");
    shown.globalCompositeOperation = "copy";
    shown.drawImage(mask, 0, 0);
    shown.globalCompositeOperation = "source-in";
    shown.fillStyle = TINT;
    shown.fillRect(0, 0, width, height);
    buttons.erase.setAttribute("aria-pressed", erases);
    buttons.brush.firstChild.textContent = `Brush ${["fine", "medium", "broad"][brush]}`;
    buttons.undo.disabled = buttons.use.disabled = !strokes.length;
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * width / box.width, (event.clientY - box.top) * height / box.height];
  };
  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    const size = Math.max(1, BRUSHES_PX[brush] * width / canvas.getBoundingClientRect().width);
    strokes.push({ points: [at(event)], size, erases, isClosed: false });
    redraw();
  };
  canvas.onpointermove = (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) strokes.at(-1).points.push(at(each));
    redraw();
  };
  canvas.onpointerup = () => {
    const stroke = strokes.at(-1);
    if (!stroke) return;
    const { points, size } = stroke;
    const away = ([x, y]) => Math.hypot(x - points[0][0], y - points[0][1]);
    const farthest = Math.max(...points.map(away));
    stroke.isClosed = farthest > 3 * size && away(points.at(-1)) < Math.max(2 * size, farthest / 8);
    redraw();
  };

  const keys = Object.fromEntries(TOOLS.map(([name, , key]) => [key === "Esc" ? "Escape" : key, name]));
  const press = (event) => {
    const name = keys[event.key];
    if (!name || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea")) return;  // somebody types a name or a number
    event.preventDefault();
    event.stopImmediatePropagation();
    act(name);
  };
  window.addEventListener("keydown", press, true);
  redraw();
  return () => window.removeEventListener("keydown", press, true);
}
