// Where a script sends its requests. A page that was opened as http://name:password@host/ must not ask for relative
// addresses: they would inherit the login, which fetch() and EventSource refuse. The browser sends it by itself.
export const at = (path) => new URL(path, location.origin).href;
