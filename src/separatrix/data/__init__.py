"""Where rows come from: tables, files and arrays, and how their columns become numbers."""
