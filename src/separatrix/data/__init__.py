"""Where rows come from: tables, files and arrays, and how their columns become numbers.

A source yields `block`s of rows and adds up a function over them; that of rows in memory is `memory`, and `threads`
share its blocks. `opened` is `separatrix.open`.

- `tables`: the columns of a table, and how they become numbers
- `reading`: files, queries and streams, read in batches as often as asked
- `streams`: the source of rows that do not fit in memory
- `workers`: the source of rows that workers of a cluster have
"""
