// Runs in a page of the book. Makes its article one that can stand in a printed document beside
// the other pages' articles, and returns it.
async ({ name, anchors }) => {
  if (window.MathJax?.startup) await MathJax.startup.promise;
  await document.fonts.ready;
  const article = document.querySelector("article.bd-article");

  // Paper cannot be clicked, and shows what is open.
  const idle = "script, button, .headerlink, .d-print-none, .tag_hide-input > details, noscript";
  article.querySelectorAll(idle).forEach(element => element.remove());
  article.querySelectorAll("details").forEach(details => { details.open = true; });
  for (const canvas of article.querySelectorAll("canvas")) {
    const image = document.createElement("img");
    image.src = canvas.toDataURL();
    image.alt = canvas.getAttribute("aria-label") ?? canvas.textContent.trim();
    image.style.width = `${canvas.clientWidth}px`;
    canvas.replaceWith(image);
  }
  for (const input of article.querySelectorAll("figure input[type=range]")) {
    const figure = input.closest("figure");
    const what = input.labels[0]?.textContent.trim() ?? input.ariaLabel;
    const where = figure.querySelector("output")?.value ?? input.value;
    const note = document.createElement("p");
    note.className = "still";
    note.textContent = `A slider moves this figure in the online book. ${what}: ${where}.`;
    (input.closest("figure > div, .ot-slider") ?? input).replaceWith(note);
  }

  // Names must differ from page to page, and links lead to other pages' names. Names inside of
  // figures and formulas are left: they are made from what they name, or used by nobody.
  const own = anchors[name];
  const renamed = element => !element.closest("svg, mjx-container");
  const references = ["aria-labelledby", "aria-describedby", "for"];
  for (const attribute of references) {
    for (const element of article.querySelectorAll(`[${attribute}]`)) {
      const target = document.getElementById(element.getAttribute(attribute));
      if (target && article.contains(target) && renamed(target)) {
        element.setAttribute(attribute, `${own}--${target.id}`);
      }
    }
  }
  for (const link of article.querySelectorAll("a[href]")) {
    if (link.origin !== location.origin) continue;
    const anchor = anchors[link.pathname.slice(1).replace(/\.html$/, "")];
    const hash = decodeURIComponent(link.hash.slice(1));
    if (anchor) link.setAttribute("href", `#${anchor}${hash ? `--${hash}` : ""}`);
    else link.replaceWith(...link.childNodes);
  }
  for (const element of article.querySelectorAll("[id]")) {
    if (renamed(element)) element.id = `${own}--${element.id}`;
  }
  for (const image of article.querySelectorAll("img")) image.setAttribute("src", image.src);

  const text = heading => heading.textContent.replace(/\s+/g, " ").trim();
  const sections = [...article.querySelectorAll("section > h2")].map(heading => ({
    anchor: heading.parentElement.id, title: text(heading),
  }));
  const rules = sheet => [...sheet.cssRules].map(rule => rule.cssText).join("\n");
  const math = document.getElementById("MJX-CHTML-styles")?.sheet;
  const styles = [...document.querySelectorAll("link[rel=stylesheet]")].map(link => link.href);
  return {
    title: text(article.querySelector("h1")), sections, styles,
    html: article.innerHTML, math: math ? rules(math) : "",
  };
}
