// Paper is light and cannot be clicked: what is folded opens and the colours turn for as long as it
// takes to print. (`tools/pdf.js` does the same for the whole book.)
{
  const root = document.documentElement;
  let theme, opened = [];
  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    opened = [...document.querySelectorAll(".bd-article details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
    for (const details of opened) details.open = false;
  });
}
