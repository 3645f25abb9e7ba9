from alertd.cli import main

if __name__ == "__main__":  # a helping process imports this module too
    main(prog_name="alertd")
