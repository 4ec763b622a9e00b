// Keys decide about parts, so each press counts once, and always.
if (!window.linewatchKeys) {
  window.linewatchKeys = true;
  // A key held down, or a glove resting on it, must not decide about one part after another.
  window.addEventListener("keydown", (event) => {
    if (event.repeat && !event.target.closest?.("input, textarea")) event.stopImmediatePropagation();
  }, true);
  // A slider or a closed list keeps the focus after it was used, and would swallow the next key.
  const release = () => setTimeout(() => {
    const holder = document.activeElement;
    if (holder?.matches('input[type="range"], input[role="combobox"][aria-expanded="false"]')) holder.blur();
  }, 150);
  window.addEventListener("pointerup", release, true);
  window.addEventListener("keyup", (event) => event.key === "Enter" && release(), true);
}
