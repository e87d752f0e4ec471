"""Demo data: plain values and pure generators. Nothing here touches the database; `load_demo` plays it."""
