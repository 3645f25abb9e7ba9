// Chooses all messages of the page with one key, or none.
"use strict";

const all = document.querySelector("[data-choose-all]");
all?.addEventListener("click", () => {
  const boxes = [...document.querySelectorAll("input[name=chosen]")];
  const chosen = boxes.every((box) => box.checked);
  for (const box of boxes) box.checked = !chosen;
});
