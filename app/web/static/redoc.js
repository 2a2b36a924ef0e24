"use strict";
const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
const font = 'system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif';
const typography = { fontFamily: font, headings: { fontFamily: font } };
const light = { typography, colors: { primary: { main: "#0f766e" } } };
const night = {
  typography: { ...typography, code: { color: "#ffb4a8", backgroundColor: "#232a36" }, links: { color: "#6fd6c9" } },
  colors: {
    primary: { main: "#6fd6c9" },
    success: { main: "#5fd3a8" },
    error: { main: "#ff8a80" },
    text: { primary: "#d5dae1", secondary: "#9aa5b5" },
    border: { dark: "#3a4354", light: "#2a3140" },
    gray: { 50: "#1a202b", 100: "#232a36" },
  },
  schema: { nestedBackground: "#1a202b", linesColor: "#3a4354", typeNameColor: "#9aa5b5", typeTitleColor: "#9aa5b5" },
  sidebar: { backgroundColor: "#171c26", textColor: "#c2c7d0", activeTextColor: "#6fd6c9" },
  rightPanel: { backgroundColor: "#0e1219" },
};
Redoc.init(
  // In full: opened as http://name:password@host/redoc, a relative address would inherit the login; fetch() refuses it.
  new URL("/openapi.json", location.origin).href,
  { theme: dark ? night : light, hideDownloadButton: false, expandResponses: "200,201", nativeScrollbars: true },
  document.getElementById("redoc"),
);
