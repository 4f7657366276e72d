"""Files: links are uploaded once per number, and uploads are streamed."""
