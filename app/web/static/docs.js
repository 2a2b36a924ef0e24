"use strict";
// Swagger UI has a dark theme, and takes it from a class of the document.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
// Opened as http://name:password@host/docs, relative addresses would inherit the login, which fetch() refuses.
const withoutLogin = (address) => {
  const url = new URL(address, location.origin);
  url.username = url.password = "";
  return url.href;
};
SwaggerUIBundle({
  url: withoutLogin("/openapi.json"),
  requestInterceptor: (request) => Object.assign(request, { url: withoutLogin(request.url) }),
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
