// Copy what the button names to the clipboard, and say so on the button.
document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const label = button.querySelector("[data-copied]");
    label.textContent = label.dataset.copied;
});
