"""What every room stands on: files, random streams, parallel maps, tables and settings; nothing of music."""
