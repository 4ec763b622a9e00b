// Keys decide about parts, so each press counts once, and always.
if (!window.linewatchKeys) {
  window.linewatchKeys = true;
  const isTyping = (event) => event.target.closest?.("input, textarea");
  window.addEventListener("keydown", (event) => {
    // A key held down, or a glove resting on it, must not decide about one part after another.
    const isHeld = event.repeat && !isTyping(event);
    // While a menu is open, its reader does not look at the part behind it.
    const isElsewhere = document.querySelector('[data-testid="stPopoverBody"], [role="dialog"]')
      && /^(.|Arrow(Left|Right))$/.test(event.key) && !isTyping(event);
    if (isHeld || isElsewhere) event.stopImmediatePropagation();
    else if (event.key === "x" && !isTyping(event) && !event.ctrlKey && !event.metaKey && !event.altKey) nextZoom();
  }, true);
  // A slider or a closed list keeps the focus after it was used, and would swallow the next key.
  const release = () => setTimeout(() => {
    const holder = document.activeElement;
    if (holder?.matches('input[type="range"], input[role="combobox"][aria-expanded="false"]')) holder.blur();
  }, 150);
  window.addEventListener("pointerup", release, true);
  window.addEventListener("keyup", (event) => event.key === "Enter" && release(), true);

  // Zoom: key x steps through 1, 2 and 4 times at the proposed defect; the wheel zooms where it
  // points, a drag moves the picture, a click steps where it points. Each card begins whole.
  let view = { card: null, scale: 1, x: 0, y: 0 };
  const current = () => {
    const card = document.querySelector(".lw-card:has(.lw-zoom)");
    if (card && view.card !== card.dataset.card) view = { card: card.dataset.card, scale: 1, x: 0, y: 0 };
    return card;
  };
  const place = (card) => {
    // x and y move the picture, in shares of the card; it never leaves the card.
    const reach = (view.scale - 1) / 2;
    view.x = Math.min(reach, Math.max(-reach, view.x));
    view.y = Math.min(reach, Math.max(-reach, view.y));
    const zoom = card.querySelector(".lw-zoom");
    zoom.style.transform = view.scale === 1 ? "" : `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.scale})`;
    card.classList.toggle("zoomed", view.scale > 1);
  };
  // Let the point (shares of the card, from its middle) of the whole picture come to the middle.
  const centre = (card, scale, [x, y]) => {
    Object.assign(view, { scale, x: -x * scale, y: -y * scale });
    place(card);
  };
  // Where a share of the picture lies in the card, around which it has bars.
  const inCard = (card, [x, y]) => {
    const image = card.querySelector("img"), box = card.getBoundingClientRect();
    const fit = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
    return [(x - 0.5) * image.naturalWidth * fit / box.width, (y - 0.5) * image.naturalHeight * fit / box.height];
  };
  const next = (scale) => (scale < 2 ? 2 : scale < 4 ? 4 : 1);
  function nextZoom() {
    const card = current();
    if (!card) return;
    const focus = (card.dataset.focus ?? "0.5 0.5").split(" ").map(Number);
    centre(card, next(view.scale), inCard(card, focus));
  }
  const pointed = (card, event) => {
    const box = card.getBoundingClientRect();
    const [u, v] = [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
    return { u, v, point: [(u - view.x) / view.scale, (v - view.y) / view.scale] };
  };
  window.addEventListener("wheel", (event) => {
    const card = event.target.closest?.(".lw-card") && current();
    if (!card) return;
    event.preventDefault();
    const { u, v, point } = pointed(card, event);
    view.scale = Math.min(8, Math.max(1, view.scale * Math.exp(-event.deltaY / 400)));
    [view.x, view.y] = [u - point[0] * view.scale, v - point[1] * view.scale];
    place(card);
  }, { passive: false });
  let drag = null;
  window.addEventListener("pointerdown", (event) => {
    const card = event.button === 0 && event.target.closest?.(".lw-card") && current();
    if (!card) return;
    event.preventDefault();
    drag = { card, from: [event.clientX, event.clientY], x: view.x, y: view.y, moved: false };
  });
  window.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const box = drag.card.getBoundingClientRect();
    const [dx, dy] = [event.clientX - drag.from[0], event.clientY - drag.from[1]];
    drag.moved ||= Math.hypot(dx, dy) > 6;
    if (!drag.moved) return;
    Object.assign(view, { x: drag.x + dx / box.width, y: drag.y + dy / box.height });
    place(drag.card);
  });
  window.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) centre(drag.card, next(view.scale), pointed(drag.card, event).point);
    drag = null;
  });
}
