// How the search ranks: where a term of the glossary is explained comes first, in whatever form or
// spelling it was asked for; then chapters and other pages; then the package. `book_search.py`
// writes SPELLINGS and EXPLAINED; the rest is Sphinx's, whose search begins after this script.
{
  const porter = new Stemmer();
  const spell = word => SPELLINGS.reduce((w, [from, to]) => w.replace(new RegExp(from), to), word);
  const stem = word => porter.stemWord(spell(word));
  Stemmer = function () { this.stemWord = stem; };

  // What is asked for, whatever its form: "The Actions" and "action" are one.
  const key = text => splitQuery(text.toLowerCase()).filter(word => !stopwords.includes(word))
    .map(stem).join(" ");
  const places = new Map();
  for (const term of EXPLAINED)
    for (const form of term.forms) places.set(key(form), term.places);
  const explained = query => (places.get(key(query)) ?? []).map(
    ([page, anchor, title, said]) => [page, title, anchor, said, Infinity, page]);

  // Only who asks for a name as it stands in code wants its entry first.
  const code = /[._]\w|\w\(/;
  const weigh = query => ([page, , , , score]) => {
    if (page.startsWith("book/api/") || page == "book/built")
      return code.test(query) ? score + 100 : score - 200;
    return page.startsWith("notebooks/") ? score + 6 : score;
  };
  const search = Search._performSearch;
  Search._performSearch = (query, ...more) => {
    Scorer.score = weigh(query);
    const first = explained(query);
    const others = search(query, ...more).filter(
      ([page, , anchor]) => !first.some(place => place[0] == page && place[2] == anchor));
    return [...others, ...first.reverse()]; // the last is shown first
  };

  // A result is shown with words of the page itself, not of its buttons. A page that was opened
  // from a disk cannot read others.
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY &&= location.protocol != "file:";
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".headerlink, script, style, svg").forEach(one => one.remove());
    const part = anchor && page.getElementById(anchor.slice(1));
    const text = (part || page.querySelector("article"))?.textContent ?? "";
    return text.replace(/\s+/g, " ").trim();
  };
}
