// Before anything is painted: the theme chosen last, if one was.
(() => {
  try {
    const theme = localStorage.getItem('solopo.theme');
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is switched off: the system's theme it is.
  }
})();
