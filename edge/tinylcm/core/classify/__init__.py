"""Turn an embedding into a point, and a point into a label by its nearest stored neighbours."""
