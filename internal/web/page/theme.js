// A classic script in the head, so that the page is never first drawn in colours its reader has not chosen.
(() => {
  try {
    const theme = localStorage.getItem("camgw-theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // Without storage the system's colours are used.
  }
})();
