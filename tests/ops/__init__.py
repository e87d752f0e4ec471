"""What deploys and watches the product, run with the programs that a server has."""
