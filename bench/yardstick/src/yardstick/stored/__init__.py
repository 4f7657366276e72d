"""What a record costs MongoDB beside the documents that are there already: documents, bytes, index entries, CPU."""
