// Everything here makes pages nicer; every page works without it.
import "./theme.js";
import "./clocks.js";
import "./forms.js";
import "./pages.js";
import "./live.js";
import "./queue.js";
import "./diff.js";
import "./drafts.js";
import "./keyboard.js";
