// Improves pages that work without it: focus on what is wrong, unknown by one key, regions found
// by typing, a picture dropped or pasted.
"use strict";

const wrong = ".field-wrong :is(input:not([type=hidden], :disabled), select, textarea)";
for (const closed of document.querySelectorAll("details:has(.field-wrong)")) closed.open = true;
(document.querySelector(wrong) ?? document.querySelector("[data-focus]"))?.focus();

document.addEventListener("click", (event) => {
  const dismiss = event.target.closest("[data-dismiss]");
  if (dismiss) dismiss.closest(".toast").remove();
  const unknown = event.target.closest("[data-unknown]");
  if (unknown) {
    const field = document.getElementById(unknown.dataset.unknown);
    field.value = unknown.dataset.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  }
});

// Searches as people type: without accents, in either case.
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

for (const picker of document.querySelectorAll("[data-regions]")) {
  const search = picker.querySelector("input[type=search]");
  const found = picker.querySelector("[data-regions-found]");
  search.closest("[hidden]").hidden = false;
  search.addEventListener("input", () => {
    const wanted = plain(search.value.trim());
    let count = 0;
    for (const item of [...picker.querySelectorAll("[data-region]")].reverse()) {
      const own = plain(item.dataset.region).includes(wanted);
      const inner = item.querySelector("[data-region]:not([hidden])") !== null;
      const chosen = item.querySelector("input:checked") !== null;
      item.hidden = !(own || inner || chosen);
      count += own ? 1 : 0;
    }
    found.textContent = wanted ? String(count) : "";
  });
}

const takers = new Map(); // of pictures, each with its place
for (const drop of document.querySelectorAll("[data-drop]")) {
  const input = drop.querySelector("input[type=file]");
  const area = drop.querySelector(".drop-area");
  const show = () => {
    const file = input.files[0];
    if (!file) return;
    let picture = area.querySelector("img");
    if (!picture) {
      picture = document.createElement("img");
      picture.className = "drop-preview";
      picture.alt = "";
      area.prepend(picture);
    }
    picture.src = URL.createObjectURL(file);
  };
  const camera = drop.querySelector("[data-camera]");
  camera.hidden = !matchMedia("(pointer: coarse)").matches;
  camera.addEventListener("change", (event) => {
    event.stopPropagation();
    take(event.target.files);
  });
  const take = (files) => {
    const picture = [...files].find((file) => file.type.startsWith("image/"));
    if (!picture) return;
    const chosen = new DataTransfer();
    chosen.items.add(picture);
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  input.addEventListener("change", show);
  for (const name of ["dragover", "dragleave", "drop"]) {
    area.addEventListener(name, (event) => {
      event.preventDefault();
      area.classList.toggle("over", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files);
    });
  }
  takers.set(drop, take);
}

// A pasted picture is of whom the cursor is with, else of the first who has none.
document.addEventListener("paste", (event) => {
  const drops = [...takers.keys()];
  const here = drops.find((drop) => drop.closest("section")?.contains(document.activeElement));
  const empty = drops.find((drop) => !drop.querySelector(".drop-preview"));
  takers.get(here ?? empty ?? drops[0])?.(event.clipboardData.files);
});

// Beside its place a picture would take the place of the page.
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
}
