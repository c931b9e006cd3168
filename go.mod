module simone

go 1.26
