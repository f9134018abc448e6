/* What a browser adds to the request form: small pictures of what was picked, a count of characters, one sending per press. */

const MOST_PICTURES = 8;
const MOST_BYTES = 5 * 1024 * 1024;
const KINDS = ["image/jpeg", "image/png"];

for (const form of document.querySelectorAll("[data-request]")) {
    sendOnce(form);
    const pictures = form.querySelector("[data-pictures]");
    if (pictures) showPicked(pictures);
    const words = form.querySelector("textarea[maxlength]");
    if (words) countCharacters(words);
}
document.querySelector("[data-summary]")?.focus();

function sendOnce(form) {
    const button = form.querySelector("[type=submit]");
    const words = button.textContent;
    form.addEventListener("submit", () => {
        button.disabled = true;
        button.textContent = button.dataset.busy || words;
    });
    window.addEventListener("pageshow", () => { // also when the browser brings the page back as it was left
        button.disabled = false;
        button.textContent = words;
    });
}

function countCharacters(words) {
    const count = document.createElement("span");
    count.className = "count";
    count.setAttribute("aria-hidden", "true");
    const tell = () => { count.textContent = words.value.length ? `${words.value.length} of ${words.maxLength}` : ""; };
    words.addEventListener("input", tell);
    words.after(count);
    tell();
}

function showPicked(field) {
    const input = field.querySelector("input[type=file]");
    const list = field.querySelector("[data-picked]");
    const trouble = field.querySelector("[data-picture-trouble]");
    let picked = [];

    input.addEventListener("change", () => {
        const refused = [];
        for (const file of input.files) {
            const because = reason(file);
            if (because) refused.push(because);
            else picked.push(file);
        }
        show(refused);
    });

    function reason(file) {
        if (picked.some((one) => one.name === file.name && one.size === file.size && one.lastModified === file.lastModified)) return "";
        if (!KINDS.includes(file.type)) return `${file.name} is not a JPEG or PNG picture.`;
        if (file.size > MOST_BYTES) return `${file.name} is larger than 5 MB: choose a smaller picture.`;
        if (picked.length >= MOST_PICTURES) return `At most ${MOST_PICTURES} pictures: ${file.name} was left out.`;
        return "";
    }

    function show(refused) {
        const all = new DataTransfer();
        picked = picked.filter((file, at) => picked.findIndex((one) => one.name === file.name && one.size === file.size && one.lastModified === file.lastModified) === at);
        for (const file of picked) all.items.add(file);
        input.files = all.files;
        trouble.textContent = refused.join(" ");
        trouble.hidden = !refused.length;
        list.replaceChildren(...picked.map(entry));
        list.hidden = !picked.length;
    }

    function entry(file) {
        const item = document.createElement("li");
        item.append(thumbnail(file), text("what", file.name), row(file));
        return item;
    }

    function row(file) {
        const bottom = text("row", size(file.size));
        const remove = document.createElement("button");
        remove.type = "button";
        remove.textContent = "Remove";
        remove.setAttribute("aria-label", `Remove ${file.name}`);
        remove.addEventListener("click", () => {
            picked = picked.filter((one) => one !== file);
            show([]);
            input.focus();
        });
        bottom.append(remove);
        return bottom;
    }
}

function text(name, words) {
    const part = document.createElement("div");
    part.className = name;
    part.title = words;
    part.append(Object.assign(document.createElement("span"), { textContent: words }));
    return part;
}

function size(bytes) {
    return bytes < 1024 * 1024 ? `${Math.max(1, Math.round(bytes / 1024))} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function thumbnail(file) {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", file.name);
    createImageBitmap(file).then((picture) => {
        const scale = Math.max(canvas.width / picture.width, canvas.height / picture.height);
        const [width, height] = [picture.width * scale, picture.height * scale];
        canvas.getContext("2d").drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
        picture.close();
    }).catch(() => {});
    return canvas;
}
