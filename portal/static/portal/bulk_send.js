// Counts the ticks while they are being changed, and keeps a second click from asking twice. The server does not depend on it.
"use strict";

const form = document.getElementById("mails");
const counter = form && form.querySelector("[data-ticked]");

if (counter) {
  const boxes = [...form.querySelectorAll("input[name=ticked]")];
  const elsewhere = Number(counter.dataset.ticked) - boxes.filter((box) => box.defaultChecked).length; // on other pages
  const recount = () => (counter.textContent = elsewhere + boxes.filter((box) => box.checked).length);
  form.addEventListener("change", recount);
  window.addEventListener("pageshow", recount);
  document.getElementById("numbers").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    form.querySelector("button[name=choose_numbers]").click();
  });
}

for (const sending of document.querySelectorAll(".bs-confirm")) {
  sending.addEventListener("submit", () => setTimeout(() => (sending.querySelector("button[type=submit]").disabled = true)));
}
