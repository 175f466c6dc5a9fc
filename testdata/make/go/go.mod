module testdata/make

go 1.21
